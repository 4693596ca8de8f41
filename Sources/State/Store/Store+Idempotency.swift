package import Domain

extension StoreReader {
  /// What was answered under a key, and to which body; nil when nothing was or its day is over.
  package func remembered(
    _ key: IdempotencyKey, now: Timestamp
  ) throws(StoreError) -> (fingerprint: String, answer: StoredAnswer)? {
    try connection.first(
      """
      SELECT fingerprint, status, location, body FROM idempotency_keys
      WHERE principal = $1 AND route = $2 AND key = $3 AND expires_at > $4
      """, [.text(key.principal), .text(key.route), .text(key.key), .moment(now)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return (row.text(), StoredAnswer(status: row.int(), location: row.optionalText(), body: row.bytes()))
    }
  }
}

extension StoreTransaction {
  /// Keeps an answer under its key, in the transaction that makes what the answer tells of. `.conflict` when the key is
  /// taken and its day is not over: then nothing of this transaction is to be kept.
  package func remember(
    _ key: IdempotencyKey, _ answer: StoredAnswer, expiresAt: Timestamp
  ) throws(StoreError) {
    let written = try connection.run(
      """
      INSERT INTO idempotency_keys (principal, route, key, fingerprint, status, location, body, expires_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT (principal, route, key) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, location = excluded.location,
        body = excluded.body, expires_at = excluded.expires_at
      WHERE idempotency_keys.expires_at <= $9
      """,
      [
        .text(key.principal), .text(key.route), .text(key.key), .text(key.fingerprint),
        .integer(Int64(answer.status)), .text(answer.location), .blob(answer.body), .moment(expiresAt), .moment(now()),
      ])
    guard written == 1 else { throw .conflict(constraint: "idempotency_keys") }
  }

  /// Forgets keys whose day was over before `moment`. How many.
  @discardableResult
  package func purgeIdempotencyKeys(before moment: Timestamp) throws(StoreError) -> Int {
    try connection.run("DELETE FROM idempotency_keys WHERE expires_at <= $1", [.moment(moment)])
  }
}
