/// A bounded dictionary that forgets what was not used lately: a full young generation becomes the old one, and what is found
/// in the old one moves to the young. Costs a look-up or two and no list of uses.
struct TwoGenerations<Key: Hashable, Value> {
  private let capacity: Int
  private var young: [Key: Value] = [:]
  private var old: [Key: Value] = [:]

  /// Holds between `capacity` and twice as many entries once it is full.
  init(capacity: Int) { self.capacity = capacity }

  subscript(key: Key) -> Value? {
    mutating get {
      if let value = young[key] { return value }
      guard let value = old.removeValue(forKey: key) else { return nil }
      insert(value, key)
      return value
    }
    set {
      old[key] = nil
      guard let newValue else {
        young[key] = nil
        return
      }
      insert(newValue, key)
    }
  }

  private mutating func insert(_ value: Value, _ key: Key) {
    if young.count >= capacity, young[key] == nil {
      old = young
      young = [:]
    }
    young[key] = value
  }
}
