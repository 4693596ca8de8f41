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
