package import Domain

extension WebhookSecret {
  /// `whsec_` and base64, as Standard Webhooks shows it; nil for anything else, and for fewer than 24 or more than 64 bytes.
  package init?(text: String) {
    guard text.hasPrefix(Self.prefix), let bytes = Base64.decode(String(text.dropFirst(Self.prefix.count))) else {
      return nil
    }
    self.init(bytes)
  }

  package var text: String { Self.prefix + Base64.encode(bytes) }
}
