import Domain
import JSON

enum RecoveryJSON {
  static func render(_ checkpoint: Checkpoint) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("id", checkpoint.id)
      writer.member("job_id", checkpoint.jobID)
      writer.member("attempt", checkpoint.attempt)
      writer.member("size_bytes", checkpoint.sizeBytes)
      writer.member("sha256", checkpoint.sha256)
      writer.member("created_at", checkpoint.createdAt)
    }
    return writer.bytes
  }

  static func render(_ exclusion: Exclusion) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("id", exclusion.id)
      writer.member("machine_id", exclusion.machineID)
      writer.member("host_id", exclusion.hostID)
      writer.member("reason", exclusion.reason)
      writer.member("job_id", exclusion.jobID)
      writer.member("created_at", exclusion.createdAt)
      writer.member("until", exclusion.until)
    }
    return writer.bytes
  }
}
