import Glibc
import JSON
import Testing
import TestSupport

/// Whether this process may mount a disk that is small enough to fill.
private let mayMount: Bool = {
  let folder = "/tmp/vastd-mount-\(getpid())"
  mkdir(folder, 0o700)
  defer { rmdir(folder) }
  guard (try? run(["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], folder: "/tmp").code) == 0 else {
    return false
  }
  return (try? run(["/bin/umount", folder], folder: "/tmp").code) == 0
}()

@Suite(.serialized, .enabled(if: mayMount)) struct `A full disk` {
  @Test func `costs no machine: what is over is destroyed, and all is well once there is room`() async throws {
    let rig = try await Rig()
    let data = rig.folder + "/data"
    mkdir(data, 0o700)
    #expect(
      try run(["/bin/mount", "-t", "tmpfs", "-o", "size=200m,mode=700", "tmpfs", data], folder: rig.folder).code == 0)
    do {
      try await fill(rig, data)
    } catch {
      Issue.record(error)
    }
    try rig.killVastd()
    #expect(try run(["/bin/umount", "-l", data], folder: rig.folder).code == 0)
  }

  private func fill(_ rig: Rig, _ data: String) async throws {
    try await rig.startVastd()
    await eventually(within: .seconds(20)) { access(data + "/ballast", F_OK) == 0 }
    let id = try await rig.submit(#"{"command": "sleep 300", "max_duration_s": 6}"#)
    try await rig.wait(for: id, "running")
    _ = try run(["/bin/dd", "if=/dev/zero", "of=\(data)/filler", "bs=1M"], folder: rig.folder)
    let job = try await rig.ended(id, within: .seconds(90))
    #expect(job.text("error.code") == "max_duration_exceeded", "\(job.bodyText)")
    #expect(try await rig.alive() == 0)
    #expect(access(data + "/ballast", F_OK) != 0, "it was needed")

    unlink(data + "/filler")
    let next = try await rig.submit(#"{"command": "true"}"#)
    #expect(try await rig.ended(next).text("state") == "succeeded")
    await eventually(within: .seconds(20)) { access(data + "/ballast", F_OK) == 0 }
    #expect(access(data + "/ballast", F_OK) == 0)
  }
}
