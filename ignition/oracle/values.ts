import { HASH256, HASH512 } from './base.ts';

/** Values that matter to some rule, on either side of its edge. */

/** Values separated by ` ¦ ` or line ends, with JSON's escapes; and the empty string. */
function values(text: string): string[] {
  const words = text.trim().split(/ ¦ |\n/);
  return ['', ...words.map((word) => JSON.parse(`"${word}"`) as string)];
}

export const URLS = values(String.raw`
: ¦ x ¦ /x ¦ //x ¦ ///x ¦ * ¦ a:b ¦ 1:b ¦ a/b:c ¦ HTTP://x ¦ http: ¦ http:x ¦ http:/x ¦ http://
http://x:80 ¦ http://x: ¦ http://x:a ¦ http://x:1:2 ¦ http://[::1] ¦ http://[::1 ¦ http://[::1]:x
http://[::1%25eth0] ¦ http://[::1%eth0] ¦ http://[a%25%41] ¦ http://[a%25%20b] ¦ http://[a%25%7f]
http://u@x ¦ http://u:p@x ¦ http://u p@x ¦ http://u%zz@x ¦ http://u@v@x ¦ http://\u00e9@x
http://\u00e9 ¦ http://a b ¦ http://a%20b ¦ http://a%41 ¦ http://a%c3%a9 ¦ http://a%25
http://x/%zz ¦ http://x/%4 ¦ http://x/a b ¦ http://x?%zz ¦ http://x#%zz ¦ http://x#%41 ¦ http://x#
http://x\n ¦ http://x#\n ¦ http://x\u007f ¦ http://<>\" ¦ http://a^b ¦ http://a|b ¦ http://a\\b
http://a{ ¦ http://x?a#b?c ¦ https://x ¦ tftp://x/y ¦ gs://b/k ¦ s3://b/k ¦ s3://b/k?versionId=
s3://b/k?versionId ¦ s3://b/k?versionId=x ¦ s3://b?versionId=&versionId=x ¦ s3://b/k?a;versionId=
s3://b/k?versionId=%zz&versionId= ¦ s3://b/k?%76ersionId= ¦ s3://b/k?versionId=+ ¦ S3://b
arn:aws:s3:::b/k ¦ arn:aws:s3:::b ¦ arn:aws:ec2:::b/k ¦ arn:aws:s3:::accesspoint/b
arn:aws:s3:::accesspoint/b/c ¦ arn:aws:s3:::b/k?versionId= ¦ arn:a ¦ arn: ¦ arn://aws:s3:::b/k
ARN:aws:s3:::b/k ¦ oem:///x ¦ ftp://x ¦ file:///x ¦ data:, ¦ data: ¦ data ¦ DATA:, ¦ data:,a b
data:,a%20b ¦ data:,%zz ¦ data:,%4 ¦ data:,% ¦ data:,\u00e9 ¦ data:,a#b ¦ data:;base64,
data:;base64,aGk= ¦ data:;base64,aGk ¦ data:;base64,a ¦ data:;base64,aG=k ¦ data:;base64,aGk==
data:;base64,== ¦ data:;base64,aGVs ¦ data:;base64,aG== ¦ data:;base64,aG= ¦ data:;base64,aG=a
data:;base64,aGk=a ¦ data:;base64,aG==aaaa ¦ data:;base64,aGk- ¦ data:;base64,aG k
data:;base64,aGk%3D ¦ data:;base32,x ¦ data:;base64 ¦ data:;base64;a=b,x ¦ data:;,x
data:text/plain,x ¦ data:text/plain;,x ¦ data:text/plain;a,x ¦ data:text/plain;a=,x
data:text/plain;a=b,x ¦ data:text,x ¦ data:text/,x ¦ data:foo/bar,x ¦ data:x-foo/bar,x
data:x/bar,x ¦ data:X-a,b ¦ data:xx/y,z ¦ data:x ¦ data:x- ¦ data:/x,y ¦ data:texts/x,y
data:message/x,y ¦ data:text/plain;a=\"b\",x ¦ data:text/plain;a=\"\",x
data:text/plain;a=\"\";c=d,x ¦ data:text/plain;a=\"\";c=%41,x ¦ data:text/plain;a=\"b;c,d\",x
data:text/plain;a=\"b\\\"c\",x ¦ data:text/plain;a=\"b\\qc\",x ¦ data:text/plain;a=\"b\\x41\",x
data:text/plain;a=\"\\400\",x ¦ data:text/plain;a=\"\\377\",x ¦ data:text/plain;a=\"\\ud800\",x
data:text/plain;a=\"\\U00110000\",x ¦ data:text/plain;a=\"b ¦ data:text/plain;a=\"b\\
data:text/plain;a=\"\u00e9\",x ¦ data:text/plain;a=\"b\"c,x ¦ data:text/plain;a=%41,x
data:text/plain;a=%4z,x ¦ data:text/plain;a=b;base64,aGk= ¦ data:text/plain;a=b ¦ data:text/plain
data:text/pl ain,x ¦ data:te xt/plain,x ¦ data://x/y,z ¦ data:/%zz ¦ data:,a?b ¦ data:,a?b#c
data:,< ¦ data:,[x] ¦ data:,a|b ¦ data:,\u0060 ¦ data:,a'b ¦ data:,~!*()_;:@&=+\u0024,/?
`);

export const SHORT_UNITS = values(String.raw`
\n ¦ x ¦ [ ¦ [] ¦ [A ¦ [A] ¦ [A]x ¦ [A]  ¦ [A]\n ¦ [A]\nb ¦ [A]\nb\n ¦ [A]\nb= ¦ [A]\n=b ¦ [A]\n b=c
[A]\nb=c ¦ [Install] ¦ [Install]\n ¦ [Install]\nWantedBy=x ¦ [Install]\r\nWantedBy=x\r\n
[A]\r\nb=c\\\r\nd\r\n ¦ [A]\rb=c ¦ [A]\nb\r=c ¦ #x ¦ ;x ¦ #[A]\nx ¦ #a\\\n[A]x\n ¦ #a\\ \n[A]x\n
#a\\ ¦ [A]\n#a\\\nb\n ¦ [A]\n#a\nb=c ¦ [A]\n;a\nb ¦ [A]\nb=\\ ¦ [A]\nb=\\\n ¦ [A]\nb=c\\\n\nd=e
[A]\nb=c\\\n[B]\nd ¦ [A]\nb=c\\\n#d\ne ¦ [A\nB] ¦ [A\nB]\nc=d ¦ x[A]\nb=c ¦ [A]\n[Install]\n
[Install]\n[A]\nb=c ¦ [A]\u00a0\nb=c ¦ [A]\u0085 ¦ [A]\ufeff ¦ [A]\n\u00a0b=c ¦ [A]\n\u00e9=\u00e8
[ Install ]\nb=c ¦ [A]\nb=[Install]
`);

export const PATHS = values(String.raw`
/ ¦ // ¦ /. ¦ /.. ¦ /a/ ¦ /a//b ¦ /a/./b ¦ /a/../b ¦ . ¦ .. ¦ a ¦ ./a ¦ /\u00e9 ¦ /a\nb ¦  /a ¦ /a 
/a/..b ¦ /... ¦ /d ¦ /l ¦ /l/x ¦ /l/x/y ¦ /lx ¦ /m/x ¦ /f ¦ /f/x ¦ /d/e ¦ /d/x
`);

export const NAMES = values(`
. ¦ .service ¦ a ¦ a. ¦ a.service ¦ a.Service ¦ a@b.service ¦ a@.timer ¦ a/b.socket ¦ a.service/b
a.conf ¦ .conf ¦ a.conf.d ¦ a.snapshot ¦ a.scope ¦ a.mount ¦ a.swap ¦ a.path ¦ a.slice ¦ a.device
a.target ¦ a.automount ¦ a.network ¦ a b.service ¦ b.timer ¦ core ¦ data ¦ a/b
`);

export const VERSIONS = values(String.raw`
3 ¦ 3.3 ¦ 3.3.0 ¦ 3.0.0 ¦ 3.1.0 ¦ 3.2.0 ¦ 3.4.0 ¦ 3.4.0-experimental ¦ 3.9.0 ¦ 2.3.0 ¦ 1.0.0
2.2.0-dev ¦ 3.3.0- ¦ 3.3.0+ ¦ 3.3.0-+ ¦ 3.3.0-a ¦ 3.3.0+a ¦ 03.3.0 ¦ 3.03.00 ¦ +3.3.0 ¦ 3.+3.0
3.-3.0 ¦ -3.3.0 ¦ 3.3.0.0 ¦ 3.3.0  ¦  3.3.0 ¦ v3.3.0 ¦ 3.3.0-experimental ¦ 3.3.0-a_b ¦ 3.3.0-a..b
3.3.9223372036854775808 ¦ 3.3.-0 ¦ 3.3.+0 ¦ 3.4.0-experimental+x ¦ 3.4.0-EXPERIMENTAL ¦ 3,3,0
\uff13.3.0 ¦ 1 ¦ 2 ¦ 0x3.3.0 ¦ 3.3.0e0 ¦ 3_0.3.0
`);

export const TEXTS = values(String.raw`
x ¦ 0 ¦ true ¦ null ¦ tpm2 ¦ tang ¦ sss ¦ ext4 ¦ btrfs ¦ xfs ¦ swap ¦ vfat ¦ none ¦ EXT4 ¦ gzip
bzip2 ¦ \u00e9 ¦ \u0000 ¦ \ufeff
`);

export const LEVELS = values(`
linear ¦ raid0 ¦ 0 ¦ stripe ¦ raid1 ¦ 1 ¦ mirror ¦ raid4 ¦ 4 ¦ raid5 ¦ 5 ¦ raid6 ¦ 6 ¦ raid10 ¦ 10
raid2 ¦ RAID1
`);

export const GUIDS = values(String.raw`
01234567-89AB-CDEF-EDCB-A98765432101 ¦ 01234567-89ab-cdef-edcb-a98765432101\n
0123456789ABCDEFEDCBA98765432101 ¦ 01234567-89AB-CDEF-EDCB-A9876543210G
`);

const line = (length: number): string => 'x'.repeat(length);

/** Unit files, with lines around the limits of Ignition's parser. */
export const UNITS = [
  ...SHORT_UNITS,
  ...[2046, 2047, 2048, 2049, 2050, 4095, 4096, 4097, 6000, 9000].flatMap((n) => [
    line(n),
    `[A]\nb=${line(n)}`,
    `[A]\nb=${line(n)}\n`,
    `[A]\nb=${line(n)}\nc=d\n`,
    `#${line(n)}\n[A]\nb=c`,
    `[${line(n)}]\nb=c`,
    `[A]\n${line(n)}=b\n`,
    `[A]\n#${line(n)}\nb=c\n`,
    `[A]\nb=c\\\n${line(n)}\n`,
    `[A]\n${'b=c\n'.repeat(300)}d=${line(n)}\n`,
    `[A]\n${'b=c\n'.repeat(1000)}d=${line(n)}\ne=f\n`,
    `[A]\n${'b=é\n'.repeat(813)}d=${line(n)}\ne=f\n`,
    `[A]\n${'é'.repeat(n)}=b\n`,
    `[A]\n${' '.repeat(n)}b=c\n`,
    `${' '.repeat(n)}[A]\nb=c\n`,
  ]),
];

const repeated = (char: string, lengths: readonly number[]): string[] =>
  lengths.map((length) => char.repeat(length));

export const LABELS = [
  ...['', 'a:b', '\ud800'],
  ...repeated('x', [11, 12, 13, 15, 16, 17, 36, 37, 47, 48, 256, 257]),
  ...repeated('é', [18, 19]),
];

export const HASHES = [
  ...['', '-', 'sha512', 'sha512-', 'md5-x', 'sha1-', HASH512, HASH256, `${HASH512}0`],
  ...[`sha512-${'é'.repeat(64)}`, `SHA512-${'0'.repeat(128)}`, `sha512-${'-'.repeat(128)}`],
  ...[`sha256-${'z'.repeat(64)}`, `sha384-${'0'.repeat(96)}`],
];

/** A number written as given: what JSON.stringify cannot say. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export const NUMBERS: (number | Raw)[] = [
  ...[
    0, 1, -1, 2, 3, 100, 101, 102, 200, 0o777, 0o1000, 0o4755, 0o7777, 0o10000, 1.5, 2147483648, 4294967296,
  ],
  ...['-0', '1e3', '1.0', '9223372036854775807', '-9223372036854775808', '9223372036854775808'].map(
    (text) => new Raw(text),
  ),
  ...['1e400', '-1e400', '0.0000001', '1E-400'].map((text) => new Raw(text)),
];

/** Values of every type. */
export const ANY: unknown[] = [
  ...[null, true, false, 0, 'x', [], {}, [null], [{}], [[]], ['x'], { x: 1 }],
  new Raw('1e400'),
];

/** What damages JSON most when it is put somewhere into it; as Latin-1, for one of them is no UTF-8. */
export const PIECE_TEXTS = [
  ...['"', '{', '}', '[', ']', ',', ':', ' ', '\n', '/', '%', '[]', '{}', '"a":1,', '/../'],
  ...['null', '0', '-', '-1', 'e5', '1e999', '\\', '\\u', '\\ud800', '\xff'],
] as const;
