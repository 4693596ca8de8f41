import Domain
import EventFormats
import JSON
import Testing

@Suite struct CloudEventTests {
  @Test func `an event is a CloudEvent with every required attribute, its sequence and its facts by kind`() throws {
    let moment = Timestamp(microseconds: 1_753_002_300_123_000)
    let (job, instance) = (ID<Job>(at: moment), ID<Instance>(at: moment))
    let event = FleetEvent(
      type: "job.succeeded", subject: job.rawValue, instanceID: instance, jobID: job, at: moment,
      data: [
        "name": "a \"b\"", "exit_code": 0, "cost_usd": .money(Money(microdollars: 120_001)), "resumed": .flag(true),
      ])
    let text = String(
      decoding: CloudEvent.json(RecordedEvent(position: 9, sequence: 4, event: event), source: "/vastd/o1"),
      as: UTF8.self)
    #expect(
      text
        == #"{"specversion":"1.0","id":"\#(event.id)","source":"/vastd/o1","type":"job.succeeded","subject":"\#(job)","#
        + #""time":"2025-07-20T09:05:00.123Z","datacontenttype":"application/json","sequence":4,"data":{"job_id":"\#(job)","#
        + #""instance_id":"\#(instance)","cost_usd":0.120001,"exit_code":0,"name":"a \"b\"","resumed":true}}"#)
  }
}
