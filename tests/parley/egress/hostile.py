"""Addresses that must never cause a connection, whatever form they take (L-10). PORT is the canary's port."""

from __future__ import annotations

_HOSTS = """
127.0.0.1 127.1 127.0.1 127.0.0.1. 127.255.255.254 2130706433 0x7f000001 0x7f.0.0.1 0x7F.0x0.0x0.0x1 017700000001
0177.0.0.1 0177.0.0.01 00000177.0.0.1 127.0.0.001 0 0.0.0.0 0x0 00 127.0x1 127.0.0x0.1 0x7f.1 3232235777 0xc0a80101
localhost LOCALHOST localhost. a.localhost foo.bar.localhost
10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.254 192.168.0.1 192.168.1.254 100.64.0.1 100.127.255.254
169.254.0.1 169.254.169.254 169.254.170.2 169.254.169.253 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518
192.0.0.192 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.254 198.51.100.7 203.0.113.9
100.100.100.200 168.63.129.16 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 0.1.2.3
metadata metadata.google.internal METADATA.google.internal metadata.google.internal. metadata.goog instance-data
instance-data.ec2.internal
[::1] [0:0:0:0:0:0:0:1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [::ffff:169.254.169.254]
[::127.0.0.1] [::7f00:1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [64:ff9b:1::1]
[2002:7f00:1::] [2002:a9fe:a9fe::1] [2002:c0a8:101::] [2001:0:7f00:1::] [2001:0:4136:e378:8000:63bf:80ff:fffe]
[fe80::1] [fe80::1%25eth0] [fe80::1%eth0] [fc00::1] [fd00::1] [fd00:ec2::254] [fd00:ec2::23] [fd20:ce::254] [fec0::1]
[ff02::1] [ff0e::1] [2001:db8::1] [3fff::1] [100::1] [5f00::1] [::ffff:0:127.0.0.1] [v1.x] [] [127.0.0.1] [::1
１２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 ①②⑦.⓪.⓪.① ⓛⓞⓒⓐⓛⓗⓞⓢⓣ ｌｏｃａｌｈｏｓｔ 𝟏𝟐𝟕.𝟎.𝟎.𝟏 ⑯⑨。②⑤④。⑯⑨｡②⑤④
loc\u00adalhost
1.2.3.4.5 256.256.256.256 1.2.3 127.0.0.-1 -a.example a..example .example example.. %31%32%37.0.0.1 127.0.0.1%2f
"""
_WHOLE = r"""
http://user@127.0.0.1/ http://user:pass@example.com/ http://example.com@127.0.0.1/ http://127.0.0.1@example.com/
http://@example.com/ http://example.com%40127.0.0.1/ http://example.com\@127.0.0.1/ http:\\127.0.0.1\
http://127.0.0.1#@example.com/ http://127.0.0.1?@example.com/ http://127.0.0.1;@example.com/
file:///etc/passwd gopher://127.0.0.1:PORT/_GET ftp://127.0.0.1/ dict://127.0.0.1:PORT/ ldap://127.0.0.1/
data:text/html,x
javascript:alert(1) jar:http://127.0.0.1!/ netdoc:///etc/passwd ws://127.0.0.1:PORT/ unix:///var/run/docker.sock
//127.0.0.1/ /etc/passwd http:127.0.0.1 http:/127.0.0.1 http:///127.0.0.1/ http:// https:// http://:80/
http://example.com:22/ http://example.com:25/ http://example.com:6379/ http://example.com:8080/ http://example.com:0/
http://example.com:65536/ http://example.com:-80/ http://example.com:x/ http://example.com:5432/ https://example.com:2375/
"""


def hostile_urls() -> list[str]:
    """Every host on the default and on the canary's port, then whole addresses of other shapes."""
    hosts = [host.replace("\\u00ad", "\u00ad") for host in _HOSTS.split()]
    urls = [f"http://{host}/" for host in hosts] + [f"http://{host}:PORT/" for host in hosts]
    return [
        *urls,
        *_WHOLE.split(),
        "http://127.0.0.1\t/",
        "http://exa\nmple.com/",
        "http://example.com/\r\nHost: 127.0.0.1",
        "http://127.0.0.1 /",
        " http://127.0.0.1/",
        "http://example.com/" + "a" * 5000,
        f"http://{'a' * 64}.example/",
    ]
