/// The service's own time: what the wall clock said at a start, carried on by the clock that counts from the machine's boot.
/// Steps of the wall clock while it runs do not reach it, nor, as long as something is under way, those between two lives:
/// they would end waits that have just begun, and stall others.
package struct TimeLine: Sendable, Hashable {
  /// Of the boot that `offset` counts from.
  package let bootID: String
  /// Microseconds from the machine's boot clock to the time of day.
  package let offset: Int64

  package init(bootID: String, offset: Int64) {
    self.bootID = bootID
    self.offset = offset
  }

  /// As it was kept by `text`; nil for anything else.
  package init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2, let offset = Int64(words[1]) else { return nil }
    self.init(bootID: String(words[0]), offset: offset)
  }

  package var text: String { "\(bootID) \(offset)" }

  package func moment(atBoot microseconds: Int64) -> Timestamp { Timestamp(microseconds: microseconds + offset) }

  /// The time line of a new life.
  ///
  /// With nothing under way it is the wall clock's, whatever was before: that is how a clock that was set right is followed.
  /// Else the last life's goes on, where the machine was not booted since. After a boot nobody can tell how long it was off;
  /// only that time did not go back.
  ///
  /// - Parameters:
  ///   - wall: what the wall clock makes of it now.
  ///   - kept: the last life's.
  ///   - newest: the latest moment that rows under way bear; nil when nothing is under way.
  ///   - boot: the boot clock now, in microseconds.
  package static func beginning(
    wall: TimeLine, after kept: TimeLine?, newest: Timestamp?, atBoot boot: Int64
  ) -> TimeLine {
    guard let newest else { return wall }
    if let kept, kept.bootID == wall.bootID { return kept }
    return TimeLine(bootID: wall.bootID, offset: max(wall.offset, newest.microseconds - boot))
  }
}
