package import Domain
import JSON

extension StoreTransaction {
  /// Keeps what may not be shown of a job or an instance beside its row; nil deletes it. An unchanged document is not
  /// written again: each rewrite would leave a copy for a while.
  func keepSecrets(_ document: [UInt8]?, of subject: String) throws(StoreError) {
    if let document {
      try connection.run(
        """
        INSERT INTO secrets (subject, document) VALUES ($1, $2)
        ON CONFLICT (subject) DO UPDATE SET document = excluded.document WHERE secrets.document <> excluded.document
        """, [.text(subject), .utf8(document)])
    } else if try connection.run("DELETE FROM secrets WHERE subject = $1", [.text(subject)]) > 0 {
      hasDeletedSecrets = true
    }
  }
}

extension StoreReader {
  package func marketWebhook() throws(StoreError) -> MarketWebhook? {
    try connection.first("SELECT document FROM secrets WHERE subject = 'vast_webhook'") { row throws(StoreError) in
      let document = try StoredDocument(row.bytes(0))
      guard let url = document.text("url"), let secret = document.text("secret") else { return nil }
      return MarketWebhook(url: url, secret: secret)
    } ?? nil
  }
}

extension StoreTransaction {
  package func keep(_ webhook: MarketWebhook) throws(StoreError) {
    let document = JSONWriter.document { writer in
      writer.member("url", webhook.url)
      writer.member("secret", webhook.secret)
    }
    try keepSecrets(document, of: "vast_webhook")
  }
}
