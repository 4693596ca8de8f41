import Domain
import Testing

@Suite struct `Where webhooks may lead` {
  private static func v4(_ text: String) -> [UInt8] { text.split(separator: ".").map { UInt8($0)! } }

  @Test(arguments: [
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255",
  ])
  func `special IPv4 addresses are not public`(text: String) { #expect(!PublicAddress.includes(Self.v4(text))) }

  @Test(arguments: [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "223.255.255.255",
  ])
  func `their neighbours are`(text: String) { #expect(PublicAddress.includes(Self.v4(text))) }

  @Test(
    arguments: [
      [0x00], [0xFC], [0xFD], [0xFE, 0x80], [0xFE, 0xC0], [0xFF, 0x02], [0x20, 0x01, 0x0D, 0xB8], [0x20, 0x02, 0x7F],
      [0x20, 0x01, 0x00, 0x00], [0x00, 0x64, 0xFF, 0x9B], [0x3F, 0xFF, 0x00],
      // ::ffff:8.8.8.8 and ::1
      [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 8, 8, 8, 8], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ] as [[UInt8]])
  func `special IPv6 addresses are not public`(start: [UInt8]) {
    #expect(!PublicAddress.includes(start + [UInt8](repeating: 0, count: 16 - start.count)))
  }

  @Test(arguments: [[0x26, 0x06, 0x47], [0x20, 0x01, 0x48, 0x60], [0x2A, 0x00], [0x20, 0x03]] as [[UInt8]])
  func `those in use are`(start: [UInt8]) {
    #expect(PublicAddress.includes(start + [UInt8](repeating: 1, count: 16 - start.count)))
  }

  @Test func `what is no address is not public`() {
    #expect(!PublicAddress.includes([]))
    #expect(!PublicAddress.includes([1, 1, 1]))
  }

  @Test(arguments: [
    ("https://hooks.example.com/a?b=c", true, true), ("https://hooks.example.com:8443", true, true),
    ("http://hooks.example.com", false, true), ("ftp://a.example", false, false), ("hooks.example.com", false, false),
    ("https://user:pw@a.example", false, false), ("https://a.example/#x", false, false), ("https://", false, false),
    ("https://a.example:0/", false, false), ("https://a.example:99999/", false, false), ("https://:443/", false, false),
    ("https://a.example/ b", false, false), ("https://a.example\\@b", false, false),
    ("https://127.0.0.1/", false, true), ("https://localhost/", false, true), ("https://LOCALHOST:1/", false, true),
    ("https://10.1.2.3/", false, true), ("https://169.254.169.254/latest", false, true),
    ("https://2130706433/", false, true), ("https://0x7f.1/", false, true), ("https://017700000001/", false, true),
    ("https://[::1]/", false, true), ("https://db.internal/", false, true),
    ("https://localhost./", false, true), ("https://db.internal.:8443/x", false, true),
    ("https://127.0.0.1./", false, true),
    ("https://api.default.svc/", false, true), ("https://api.default.svc.cluster.local./", false, true),
    ("https://svc.example.com./", true, true), ("https://localhos%74/", false, false),
    ("https://a.example../", false, false),
    ("https://./", false, false), ("https://8.8.8.8/", true, true),
    ("https://" + String(repeating: "a", count: 2048), false, false),
  ])
  func `what can be a receiver's address, and with private ones allowed`(
    url: String, isGood: Bool, isGoodPrivately: Bool
  ) {
    #expect((WebhookURL.complaint(url, allowsPrivate: false) == nil) == isGood)
    #expect((WebhookURL.complaint(url, allowsPrivate: true) == nil) == isGoodPrivately)
  }
}
