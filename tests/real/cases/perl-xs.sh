# SPDX-License-Identifier: MIT
#
# Perl with the XS modules of its core, each doing some work, and a database
# through DBI.
# packages: perl libdbi-perl libdbd-sqlite3-perl libjson-xs-perl libxml-libxml-perl
# class: quick
# opens: /List/Util/Util\.so /POSIX/POSIX\.so /Storable/Storable\.so /Socket/Socket\.so
# opens: /SQLite\.so /LibXML\.so
need perl
perl -MDBI -MDBD::SQLite -MJSON::XS -MXML::LibXML -e 1 2>/dev/null ||
	skip "a Perl module of the package list is not installed"
cat >work.pl <<'EOF'
use open qw(:std :utf8);
use strict;
use warnings;
use List::Util   qw(sum max shuffle reduce first uniq);
use Scalar::Util qw(blessed dualvar weaken reftype);
use POSIX        qw(floor strftime strtol setlocale LC_ALL);
use Storable     qw(freeze thaw dclone);
use Encode;
use Socket;
use Digest::SHA qw(sha256_hex sha512_base64);
use Digest::MD5 qw(md5_hex);
use MIME::Base64;
use Data::Dumper;
use Time::HiRes qw(usleep);
use Compress::Zlib;
use Compress::Raw::Bzip2;
use IO::Socket::INET;
use Fcntl;
use Sys::Hostname;
use Unicode::Normalize;
use Math::BigInt;
use Math::BigInt::FastCalc;
use Hash::Util qw(lock_keys);
use B;
use Opcode;
use I18N::Langinfo qw(langinfo CODESET);
use PerlIO::scalar;
use PerlIO::via;
use File::Glob ':bsd_glob';
use IPC::SysV;
use mro 'c3';
use attributes;
use SDBM_File;
use Filter::Util::Call;
$Data::Dumper::Sortkeys = 1;
$Data::Dumper::Useqq    = 1;
$Data::Dumper::Indent   = 1;
print "sum ", sum( 1 .. 100 ), " max ", max( 3, 9, 2 ), " fold ",
	( reduce { $a * $b } 1 .. 10 ), "\n";
print "uniq @{[uniq(1, 1, 2, 3, 3)]} first ", ( first { $_ > 4 } 1 .. 9 ), "\n";
print "posix ", floor(-1.5), " ", strftime( "%Y-%m-%d", gmtime( 86400 * 365 ) ), " ",
	( strtol( "ff", 16 ) )[0], "\n";
my $deep = { a => [ 1, { b => "\x{263a}" } ], n => dualvar( 5, "five" ) };
print Dumper( thaw( freeze($deep) ) ), Dumper( dclone($deep) );
print "encode ", length( encode( "UTF-16LE", "h\x{e9}llo" ) ), " ",
	encode( "iso-8859-1", "\x{e9}" ) eq "\xe9" ? "ok" : "no", " ",
	unpack( "H*", encode( "shiftjis", "\x{3042}" ) ), " ",
	unpack( "H*", encode( "euc-kr",   "\x{ac00}" ) ), "\n";
print "sha ", sha256_hex("abc"), " ", sha512_base64("abc"), " md5 ", md5_hex("abc"), " ",
	encode_base64("hello");
print "nfd ", length( NFD("\x{e9}") ), " big ", Math::BigInt->new(2)**200, " codeset ",
	langinfo(CODESET), "\n";
print "zlib ", uncompress( compress( "x" x 1000 ) ) eq "x" x 1000 ? "ok" : "no", " crc ",
	crc32("abc"), "\n";
my ($bz) = Compress::Raw::Bzip2->new( 1, 9 );
my $out;
$bz->bzdeflate( "y" x 500, $out );
$bz->bzclose($out);
print "bzip2 ", length($out) > 10 ? "ok" : "no", "\n";
print "inet ", inet_ntoa( inet_aton("127.0.0.1") ), " ",
	( unpack_sockaddr_in( pack_sockaddr_in( 80, INADDR_LOOPBACK ) ) )[0], "\n";
my $s = IO::Socket::INET->new( Listen => 1, LocalAddr => "127.0.0.1" ) or die;

if ( my $pid = fork ) {
	my $c = $s->accept;
	print "socket ", scalar <$c>;
	waitpid $pid, 0;
	print "child ", $? >> 8, "\n";
}
else {
	my $c = IO::Socket::INET->new( "127.0.0.1:" . $s->sockport ) or exit 9;
	print $c "from the child\n";
	close $c;
	exit 3;
}
eval { my %h = ( a => 1 ); lock_keys(%h); $h{b} = 2 };
print "locked: ", $@ =~ /disallowed/ ? "yes" : "no", "\n";
eval { sum( bless {}, "Nothing" ), die "deliberately\n" };
print "died $@";
tie my %db, "SDBM_File", "sdbm", O_RDWR | O_CREAT, 0600 or die;
$db{k} = "v";
print "sdbm $db{k}\n";
untie %db;
use DBI;
my $dbh = DBI->connect( "dbi:SQLite:dbname=perl.db", "", "",
	{ RaiseError => 1, PrintError => 0 } );
$dbh->do("create table t(a, b)");
my $sth = $dbh->prepare("insert into t values(?, ?)");
$sth->execute( $_, $_**2 ) for 1 .. 50;
$dbh->sqlite_create_function( "perlish", 1, sub { scalar reverse shift } );
print
	"sqlite @{$dbh->selectcol_arrayref(q(select sum(b) from t union all select perlish('abc')))}\n";
eval { $dbh->do("select * from nowhere") };
print "error ", $@ =~ /no such table/ ? "no such table" : $@, "\n";
$dbh->disconnect;
use JSON::XS;
print JSON::XS->new->canonical->encode( { list => [ 1, 2.5, undef, \1 ], s => "\x{e9}" } ),
	"\n";
use XML::LibXML;
my $doc = XML::LibXML->load_xml( string => "<a><b c='1'>t</b><b c='2'/></a>" );
print join( ",", map { $_->getAttribute("c") } $doc->findnodes("//b") ), " ",
	$doc->documentElement->toString, "\n";
eval { XML::LibXML->load_xml( string => "<a>" ) };
print "xml error ", ref $@, "\n";
EOF
under perl work.pl
cat >threads.pl <<'EOF'
use strict;
use warnings;
use threads;
use threads::shared;
use Digest::SHA qw(sha256_hex);
my $n : shared = 0;
$_->join for map {
	my $k = $_;
	threads->create(
		sub {
			for ( 1 .. 200 ) { lock $n; $n += $k }
			require POSIX;
			require List::Util;
			require Storable;
			sha256_hex($k);
		}
	)
} 1 .. 4;
print "threads $n\n";
EOF
under perl threads.pl
