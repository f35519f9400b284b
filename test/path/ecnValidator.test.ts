import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type EcnCounts, EcnValidator } from "../../src/path/EcnValidator.ts"
import { Space } from "../../src/wire/PacketType.ts"

const PTO = 100_000
const App = Space.Application

const counts = (ect0: number, ce = 0, ect1 = 0): EcnCounts => ({ hasEcn: true, ect0, ect1, ce })
const none: EcnCounts = { hasEcn: false, ect0: 0, ect1: 0, ce: 0 }

/** Sends up to `packets` packets while the validator wants them marked. */
const send = (ecn: EcnValidator, packets: number, now = 0): number => {
  let sent = 0
  for (; sent < packets && ecn.marks(now); sent++) ecn.onSent(App)
  return sent
}

const started = (): EcnValidator => {
  const ecn = new EcnValidator(true)
  ecn.start(0, PTO)
  return ecn
}

const capable = (): EcnValidator => {
  const ecn = started()
  send(ecn, 11)
  ecn.onAck(App, 10, counts(10), true)
  expect(ecn.state).toBe("capable")
  return ecn
}

describe("ECN on a path", () => {
  it("is never used when the socket cannot mark", () => {
    const ecn = new EcnValidator(false)
    ecn.start(0, PTO)
    expect(ecn.marks(0)).toBe(false)
    expect(ecn.onAck(App, 0, counts(5, 5), true)).toBe(0)
    expect(ecn.onAck(App, 1, counts(1), true)).toBe(0)
    expect(ecn.state).toBe("unsupported")
  })

  it("is abandoned after a probe timeout without a marked packet acknowledged", () => {
    const ecn = started()
    send(ecn, 2)
    ecn.onProbeTimeout()
    expect(ecn.marks(1)).toBe(false)
    ecn.onAck(App, 2, counts(2), true)
    expect(ecn.state).toBe("capable")
  })

  it("is tried with ten packets, and used once they are reported", () => {
    const ecn = started()
    expect(send(ecn, 100)).toBe(10)
    expect(ecn.state).toBe("unknown")
    expect(ecn.onAck(App, 4, counts(4), true)).toBe(0)
    expect(ecn.state).toBe("capable")
    expect(ecn.marks(0)).toBe(true)
  })

  it("is tried for three PTOs at most", () => {
    const ecn = started()
    expect(send(ecn, 3)).toBe(3)
    expect(ecn.marks(3 * PTO - 1)).toBe(true)
    expect(ecn.marks(3 * PTO)).toBe(false)
  })

  it("is used after the test even when the reports came during it", () => {
    const ecn = started()
    send(ecn, 2)
    ecn.onAck(App, 2, counts(2), true)
    expect(ecn.state).toBe("testing")
    expect(ecn.marks(3 * PTO)).toBe(false)
    ecn.onAck(App, 0, counts(2), true)
    expect(ecn.state).toBe("capable")
  })

  it("reports new congestion marks, each once", () => {
    const ecn = capable()
    send(ecn, 5)
    expect(ecn.onAck(App, 3, counts(11, 2), true)).toBe(2)
    expect(ecn.onAck(App, 2, counts(13, 2), true)).toBe(0)
  })

  it("may report more marks than one ACK frame acknowledges: earlier ACKs were lost", () => {
    const ecn = capable()
    send(ecn, 10)
    expect(ecn.onAck(App, 1, counts(15, 5), true)).toBe(5)
    expect(ecn.state).toBe("capable")
  })

  it("counts each packet number space separately", () => {
    const ecn = started()
    ecn.onSent(Space.Initial)
    ecn.onSent(Space.Handshake)
    ecn.onAck(Space.Initial, 1, counts(1), true)
    ecn.onAck(Space.Handshake, 1, counts(1), true)
    expect(ecn.state).toBe("testing")
    ecn.onAck(App, 0, counts(1), true) // nothing was sent in that space
    expect(ecn.state).toBe("failed")
  })

  it("stays unknown on a path that marks everything as congested", () => {
    const ecn = started()
    send(ecn, 11)
    expect(ecn.onAck(App, 10, counts(0, 10), true)).toBe(10)
    expect(ecn.state).toBe("unknown")
    expect(ecn.marks(0)).toBe(false)
  })
})

describe("ECN is disabled", () => {
  it("when marked packets are acknowledged without counts", () => {
    const ecn = started()
    send(ecn, 1)
    ecn.onAck(App, 1, none, true)
    expect(ecn.state).toBe("failed")
  })

  it("but not when only unmarked ones are", () => {
    const ecn = started()
    ecn.onAck(App, 0, none, true)
    expect(ecn.state).toBe("testing")
  })

  // RFC 9000 §13.4.2.2 #1
  it("when fewer marks are reported than marked packets acknowledged", () => {
    const ecn = started()
    send(ecn, 5)
    ecn.onAck(App, 5, counts(3, 1), true)
    expect(ecn.state).toBe("failed")
  })

  it("when more marks are reported than were sent", () => {
    const ecn = started()
    send(ecn, 5)
    ecn.onAck(App, 5, counts(6), true)
    expect(ecn.state).toBe("failed")
  })

  it("when more congestion marks are reported than packets were marked", () => {
    const ecn = started()
    send(ecn, 5)
    expect(ecn.onAck(App, 5, counts(5, 2 ** 53), true)).toBe(0)
    expect(ecn.state).toBe("failed")
  })

  it("when ECT(1) is reported, which was never sent", () => {
    const ecn = started()
    send(ecn, 5)
    ecn.onAck(App, 1, counts(1, 0, 1), true)
    expect(ecn.state).toBe("failed")
  })

  // RFC 9000 §13.4.2.2 #2
  it("when counts shrink", () => {
    const ecn = capable()
    send(ecn, 2)
    ecn.onAck(App, 0, counts(9), true)
    expect(ecn.state).toBe("failed")
  })

  // RFC 9000 §13.4.2.1
  it("but not for a reordered ACK frame", () => {
    const ecn = capable()
    send(ecn, 2)
    expect(ecn.onAck(App, 1, counts(3), false)).toBe(0)
    expect(ecn.onAck(App, 1, none, false)).toBe(0)
    expect(ecn.state).toBe("capable")
  })

  it("when every marked packet is lost", () => {
    const ecn = started()
    send(ecn, 11)
    for (let i = 0; i < 9; i++) ecn.onLost(0)
    expect(ecn.state).toBe("unknown")
    ecn.onLost(0)
    expect(ecn.state).toBe("failed")
  })

  it("when every marked packet was lost before the test ended", () => {
    const ecn = started()
    send(ecn, 3)
    for (let i = 0; i < 3; i++) ecn.onLost(0)
    expect(ecn.state).toBe("testing")
    expect(ecn.marks(3 * PTO)).toBe(false)
    expect(ecn.state).toBe("failed")
  })

  it("but not when one of them arrived", () => {
    const ecn = started()
    send(ecn, 11)
    ecn.onAck(App, 1, counts(0, 1), true)
    for (let i = 0; i < 10; i++) ecn.onLost(0)
    expect(ecn.state).toBe("unknown")
  })

  it("permanently, until the path is tested again", () => {
    const ecn = started()
    send(ecn, 1)
    ecn.onAck(App, 1, none, true)
    expect(ecn.onAck(App, 0, counts(1), true)).toBe(0)
    expect(ecn.marks(0)).toBe(false)
    ecn.start(SECOND, PTO)
    expect(ecn.marks(SECOND)).toBe(true)
  })
})

const SECOND = 1_000_000

describe("ECN after a migration", () => {
  it("is tested again, with continuing counts and without earlier losses", () => {
    const ecn = capable()
    send(ecn, 5)
    ecn.start(SECOND, PTO)
    expect(send(ecn, 20, SECOND)).toBe(10)
    for (let i = 0; i < 20; i++) ecn.onLost(SECOND - 1)
    expect(ecn.state).toBe("unknown")
    ecn.onAck(App, 10, counts(20), true)
    expect(ecn.state).toBe("capable")
  })
})

describe("ECN with an honest peer over a path that marks and drops", () => {
  it("never fails unless everything is lost", () => {
    const packet = fc.constantFrom("arrives", "marked", "lost")
    const report = fc.record({ packets: fc.array(packet, { maxLength: 6 }), overtaken: fc.boolean() })
    fc.assert(
      fc.property(fc.array(report, { maxLength: 60 }), (reports) => {
        const ecn = started()
        ecn.onSent(App)
        let ect0 = 1
        let ce = 0
        let congestion = 0
        ecn.onAck(App, 1, counts(1), true)
        let unseen = 0
        for (const { packets, overtaken } of reports) {
          for (const fate of packets) {
            if (!ecn.marks(0)) continue
            ecn.onSent(App)
            if (fate === "lost") ecn.onLost(0)
            else unseen++
            if (fate === "arrives") ect0++
            else if (fate === "marked") ce++
          }
          if (overtaken) continue // this ACK frame is lost; the next one repeats it
          congestion += ecn.onAck(App, unseen, counts(ect0, ce), true)
          unseen = 0
        }
        congestion += ecn.onAck(App, unseen, counts(ect0, ce), true)
        expect(ecn.state).not.toBe("failed")
        expect(congestion).toBe(ce)
      })
    )
  })
})
