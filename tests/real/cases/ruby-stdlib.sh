# SPDX-License-Identifier: MIT
#
# Ruby with the C extensions of its standard library at work.
# packages: ruby
# class: quick
# opens: /openssl\.so /json/ext/parser\.so /zlib\.so /psych\.so /socket\.so /digest
# opens: /bigdecimal\.so /ripper\.so
need ruby
cat >work.rb <<'EOF'
%w[json openssl zlib psych yaml socket digest bigdecimal bigdecimal/util ripper stringio strscan
   date etc fiddle io/console io/wait io/nonblock nkf racc/cparse pty objspace coverage
   continuation fcntl syslog set monitor pathname erb/escape cgi/escape digest/sha2
   digest/rmd160 digest/bubblebabble readline rbconfig].each do |lib|
  begin
    require lib
    puts "#{lib} ok"
  rescue LoadError => e
    puts "#{lib} LoadError #{e.message[0, 60]}"
  end
end

def refused(kind)
  yield
rescue kind => e
  puts "#{e.class} #{e.message.lines.first}"
end

puts JSON.generate(JSON.parse('{"a":[1,2.5,null,"\u263a"],"b":{"c":true}}'))
refused(JSON::ParserError) { JSON.parse('{"a":') }
puts Digest::SHA256.hexdigest("abc"), Digest::MD5.hexdigest("abc")
puts OpenSSL::Digest.hexdigest("SHA3-256", "abc")
key = OpenSSL::PKey::RSA.new(1024)
puts key.public_key.verify("SHA256", key.sign("SHA256", "text"), "text")
c = OpenSSL::Cipher.new("aes-256-gcm").encrypt
c.key = "k" * 32
c.iv = "i" * 12
puts((c.update("secret") + c.final).unpack1("H*"), c.auth_tag.unpack1("H*"))
puts Zlib::Inflate.inflate(Zlib::Deflate.deflate("hello" * 100)).size, Zlib.crc32("abc")
refused(Zlib::Error) { Zlib::Inflate.inflate("junk") }
puts YAML.dump({ "a" => [1, :b, nil], "t" => "x\ny" }), YAML.load("- 1\n- {k: v}").inspect
refused(Psych::SyntaxError) { YAML.load("a: [1") }
puts BigDecimal("1") / 3, BigDecimal("2").sqrt(30).round(25).to_s
puts Ripper.sexp("1+a").flatten.first(6).inspect
puts Date.parse("2024-02-29").next_year, DateTime.new(2001, 2, 3).ajd
puts StringScanner.new("ab1").scan(/[a-z]+/)

server = TCPServer.new("127.0.0.1", 0)
t = Thread.new do
  s = server.accept
  s.puts "hello #{s.gets}"
  s.close
end
s = TCPSocket.new("127.0.0.1", server.addr[1])
s.puts "world"
puts s.read
t.join
require "digest/sha1" # Ruby's own lazy loading of it is not safe in threads
threads = 8.times.map { |i| Thread.new { Digest::SHA1.hexdigest(i.to_s * 1000)[0, 8] } }
puts threads.map(&:value).join(" ")

# Fiddle: dlopen and dlsym from Ruby, and C that calls back.
include Fiddle
libm = Fiddle.dlopen("libm.so.6")
puts Function.new(libm["cbrt"], [TYPE_DOUBLE], TYPE_DOUBLE).call(27.0)
less = Closure::BlockCaller.new(TYPE_INT, [TYPE_VOIDP] * 2) do |a, b|
  a.to_s(4).unpack1("l") <=> b.to_s(4).unpack1("l")
end
numbers = Pointer[[5, 1, 4, 2].pack("l*")]
qsort = Fiddle.dlopen(nil)["qsort"]
takes = [TYPE_VOIDP, TYPE_SIZE_T, TYPE_SIZE_T, TYPE_VOIDP]
Function.new(qsort, takes, TYPE_VOID).call(numbers, 4, 4, less)
puts numbers.to_s(16).unpack("l*").inspect
refused(Fiddle::DLError) { Fiddle.dlopen("/nonexistent/lib.so") }

f = Fiber.new { |x| loop { x = Fiber.yield(x * 2) } }
puts [1, 2, 3].map { |x| f.resume(x) }.inspect
pid = fork { exit 4 }
Process.wait(pid)
puts $?.exitstatus
PTY.spawn("echo from a pty") { |r, w, pid| puts r.gets.chomp }
at_exit { puts "at exit" }
EOF
under ruby work.rb
