extension StoreReader {
  package func setting(_ name: String) throws(StoreError) -> String? {
    try connection.first("SELECT value FROM settings WHERE name = $1", [.text(name)]) { row throws(StoreError) in
      row.text(0)
    }
  }
}

extension StoreTransaction {
  package func removeSetting(_ name: String) throws(StoreError) {
    try connection.run("DELETE FROM settings WHERE name = $1", [.text(name)])
  }

  package func setSetting(_ name: String, _ value: String) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
      """, [.text(name), .text(value)])
  }
}
