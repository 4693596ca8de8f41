import Domain
import FleetService
import HTTPServer

extension Handlers {
  func listPriceIncreases(_ call: Call) throws(APIError) -> Response {
    let list = try ListInput<PriceIncreaseFilter>(call.head, cursors)
    let page = try asking { () throws(FleetError) in try fleet.priceIncreases(list.filter, list.page) }
    let next = page.next.map { cursors.encode($0, scope: list.scope) }
    return call.json(ListJSON.page(page.items.map(PriceIncreaseJSON.render), next: next))
  }

  func getPriceIncrease(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, AnnouncedIncrease.self)
    return call.json(PriceIncreaseJSON.render(try asking { () throws(FleetError) in try fleet.priceIncrease(id) }))
  }

  func acceptPriceIncrease(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, AnnouncedIncrease.self)
    let isAboveApproval = try AcceptanceInput.read(call.body)
    return try await answer(id, .accepted, aboveApproval: isAboveApproval, call)
  }

  func refusePriceIncrease(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    return try await answer(try id(call, AnnouncedIncrease.self), .refused, aboveApproval: false, call)
  }

  private func answer(
    _ id: ID<AnnouncedIncrease>, _ answer: AnnouncedIncrease.Answer, aboveApproval: Bool, _ call: Call
  ) async throws(APIError) -> Response {
    let increase = try await asking { () async throws(FleetError) in
      try await fleet.answer(id, answer, aboveApproval: aboveApproval)
    }
    return call.json(PriceIncreaseJSON.render(increase))
  }
}
