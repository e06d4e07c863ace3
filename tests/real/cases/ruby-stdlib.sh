# SPDX-License-Identifier: MIT
#
# Ruby with the C extensions of its standard library at work.
# packages: ruby
# class: quick
# opens: /openssl\.so /json/ext/parser\.so /zlib\.so /psych\.so /socket\.so /digest /bigdecimal\.so /ripper\.so
need ruby
cat >work.rb <<'EOF'
%w[json openssl zlib psych yaml socket digest bigdecimal bigdecimal/util ripper stringio strscan date etc fiddle
   io/console io/wait io/nonblock nkf racc/cparse pty objspace coverage continuation fcntl syslog set monitor
   pathname erb/escape cgi/escape digest/sha2 digest/rmd160 digest/bubblebabble readline openssl rbconfig].each do |lib|
  begin
    require lib
    puts "#{lib} ok"
  rescue LoadError => e
    puts "#{lib} LoadError #{e.message[0, 60]}"
  end
end
puts JSON.generate(JSON.parse('{"a":[1,2.5,null,"\u263a"],"b":{"c":true}}'))
begin; JSON.parse('{"a":'); rescue JSON::ParserError => e; puts e.class; end
puts Digest::SHA256.hexdigest("abc"), Digest::MD5.hexdigest("abc"), OpenSSL::Digest.hexdigest("SHA3-256", "abc")
key = OpenSSL::PKey::RSA.new(1024); sig = key.sign("SHA256", "text"); puts key.public_key.verify("SHA256", sig, "text")
c = OpenSSL::Cipher.new("aes-256-gcm").encrypt; c.key = "k" * 32; c.iv = "i" * 12; puts((c.update("secret") + c.final).unpack1("H*"), c.auth_tag.unpack1("H*"))
puts Zlib::Inflate.inflate(Zlib::Deflate.deflate("hello" * 100)).size, Zlib.crc32("abc")
begin; Zlib::Inflate.inflate("junk"); rescue Zlib::Error => e; puts e.class, e.message; end
puts YAML.dump({ "a" => [1, :b, nil], "t" => "x\ny" }), YAML.load("- 1\n- {k: v}").inspect
begin; YAML.load("a: [1"); rescue Psych::SyntaxError => e; puts e.class; end
puts BigDecimal("1") / 3, BigDecimal("2").sqrt(30).round(25).to_s, Ripper.sexp("1+a").flatten.first(6).inspect
puts Date.parse("2024-02-29").next_year, DateTime.new(2001, 2, 3).ajd, StringScanner.new("ab1").scan(/[a-z]+/)
server = TCPServer.new("127.0.0.1", 0)
t = Thread.new { s = server.accept; s.puts "hello #{s.gets}"; s.close }
s = TCPSocket.new("127.0.0.1", server.addr[1]); s.puts "world"; puts s.read; t.join
puts 8.times.map { |i| Thread.new { Digest::SHA1.hexdigest(i.to_s * 1000)[0, 8] } }.map(&:value).join(" ")
libm = Fiddle.dlopen("libm.so.6")
puts Fiddle::Function.new(libm["cbrt"], [Fiddle::TYPE_DOUBLE], Fiddle::TYPE_DOUBLE).call(27.0)
cmp = Fiddle::Closure::BlockCaller.new(Fiddle::TYPE_INT, [Fiddle::TYPE_VOIDP] * 2) { |a, b| a.to_s(4).unpack1("l") <=> b.to_s(4).unpack1("l") }
p_ = Fiddle::Pointer[[5, 1, 4, 2].pack("l*")]
Fiddle::Function.new(Fiddle.dlopen(nil)["qsort"], [Fiddle::TYPE_VOIDP, Fiddle::TYPE_SIZE_T, Fiddle::TYPE_SIZE_T, Fiddle::TYPE_VOIDP], Fiddle::TYPE_VOID).call(p_, 4, 4, cmp)
puts p_.to_s(16).unpack("l*").inspect
begin; Fiddle.dlopen("/nonexistent/lib.so"); rescue Fiddle::DLError => e; puts e.message; end
f = Fiber.new { |x| loop { x = Fiber.yield(x * 2) } }; puts [1, 2, 3].map { |x| f.resume(x) }.inspect
pid = fork { require "ripper"; exit 4 }; Process.wait(pid); puts $?.exitstatus
PTY.spawn("echo from a pty") { |r, w, pid| puts r.gets.chomp }
at_exit { puts "at exit" }
EOF
under ruby work.rb
