/// The end of every label that we send: names the installation and the instance, so that a lost answer is found again and
/// nobody else's machine is ever taken for ours. `train #vastd/k3x9/ins_01k9…`
package struct InstanceTag: Sendable, Hashable, CustomStringConvertible {
  package let owner: Owner
  package let instanceID: ID<Instance>

  package init(owner: Owner, instanceID: ID<Instance>) {
    self.owner = owner
    self.instanceID = instanceID
  }

  /// The tag in a label of the provider's; nil when there is none or it is not well formed.
  package init?(inLabel label: String) {
    guard let hash = label.lastIndex(of: "#") else { return nil }
    let parts = label[label.index(after: hash)...].split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "vastd", let owner = Owner(String(parts[1])),
      let instanceID = ID<Instance>(String(parts[2]))
    else { return nil }
    self.init(owner: owner, instanceID: instanceID)
  }

  package var description: String { "#vastd/\(owner.name)/\(instanceID)" }

  /// The caller's label with the tag at its end, within the provider's 256 characters.
  package func label(_ text: String) -> String {
    let room = 256 - description.count - 1
    return text.isEmpty ? description : text.prefix(room) + " " + description
  }
}

/// The name of one installation of vastd in an account that others may share: 1 to 32 of `a-z 0-9 -`.
package struct Owner: Sendable, Hashable {
  package let name: String

  package init?(_ name: String) {
    let isPlain = name.utf8.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || $0 == UInt8(ascii: "-")
    }
    guard isPlain, (1...32).contains(name.utf8.count) else { return nil }
    self.name = name
  }

  /// Twelve letters and digits by chance: 60 bits, so that no two installations meet.
  package init(using generator: inout some RandomNumberGenerator) {
    let letters = Array("abcdefghjkmnpqrstvwxyz0123456789")
    name = String((0..<12).map { _ in letters.randomElement(using: &generator)! })
  }
}
