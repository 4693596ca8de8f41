/// A ring of buckets of things to look at, in time order to the precision of a tick. Pure: time is a parameter.
///
/// Items are small numbers (slots of the connection table), each in at most one bucket, linked in place; so moving one costs
/// the same whatever is in the ring. An item is never filed further ahead than the ring reaches: its owner looks at it
/// then, finds it is not due, and files it again.
struct TimerWheel {
  /// 100 ms: fine enough for deadlines that are counted in seconds, coarse enough to wake seldom.
  static let tickNanoseconds: Int64 = 100_000_000
  static let buckets = 64
  /// How far ahead an item may be filed, with a bucket to spare.
  static let reach = Int64(buckets - 2) * tickNanoseconds

  private var heads = [Int32](repeating: -1, count: buckets)
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// The tick that each item is filed under, or -1.
  private var ticks: [Int64] = []
  private var cursor: Int64
  private(set) var count = 0

  init(now: Int64) { cursor = now / TimerWheel.tickNanoseconds }

  /// Files an item under the first tick that is not before `time`, or moves it there.
  /// - Returns: the time at which it will come up.
  @discardableResult
  mutating func file(_ item: Int, at time: Int64, now: Int64) -> Int64 {
    remove(item)
    while ticks.count <= item {
      next.append(-1)
      previous.append(-1)
      ticks.append(-1)
    }
    let bounded = min(time, now + TimerWheel.reach)
    let tick = max((bounded + TimerWheel.tickNanoseconds - 1) / TimerWheel.tickNanoseconds, cursor + 1)
    let bucket = Int(tick % Int64(TimerWheel.buckets))
    let head = heads[bucket]
    next[item] = head
    previous[item] = -1
    if head >= 0 { previous[Int(head)] = Int32(item) }
    heads[bucket] = Int32(item)
    ticks[item] = tick
    count += 1
    return tick * TimerWheel.tickNanoseconds
  }

  mutating func remove(_ item: Int) {
    guard item < ticks.count, ticks[item] >= 0 else { return }
    let before = previous[item], after = next[item]
    if before >= 0 {
      next[Int(before)] = after
    } else {
      heads[Int(ticks[item] % Int64(TimerWheel.buckets))] = after
    }
    if after >= 0 { previous[Int(after)] = before }
    ticks[item] = -1
    count -= 1
  }

  /// Takes out every item whose time has come.
  mutating func advance(to now: Int64) -> [Int] {
    let target = now / TimerWheel.tickNanoseconds
    guard target > cursor else { return [] }
    var due: [Int] = []
    // After a long sleep one turn of the ring sees every bucket.
    for tick in max(cursor + 1, target - Int64(TimerWheel.buckets) + 1)...target {
      var item = heads[Int(tick % Int64(TimerWheel.buckets))]
      while item >= 0 {
        let following = next[Int(item)]
        if ticks[Int(item)] <= target {
          due.append(Int(item))
          remove(Int(item))
        }
        item = following
      }
    }
    cursor = target
    return due
  }

  /// The time of the first bucket with something in it; nil when the wheel is empty.
  var nextDue: Int64? {
    guard count > 0 else { return nil }
    for tick in (cursor + 1)...(cursor + Int64(TimerWheel.buckets))
    where heads[Int(tick % Int64(TimerWheel.buckets))] >= 0 {
      return tick * TimerWheel.tickNanoseconds
    }
    return nil
  }
}
