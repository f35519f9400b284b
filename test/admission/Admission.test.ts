/** Admission: whose turn it is, who must validate its address, and who is refused. */
import { describe, expect, it } from "vitest"
import { Admission, type AdmissionLimits } from "../../src/admission/Admission.ts"
import { defaultLimits } from "../../src/admission/Limits.ts"
import { type Introduction, roomForStranger, Stranger } from "../../src/admission/Stranger.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { Version } from "../../src/wire/PacketType.ts"

const id = new Uint8Array(8)
const here: SocketAddress = { host: "192.0.2.7", port: 7, family: 4 }

const introduction: Introduction = {
  version: Version.v1,
  from: here,
  socket: 0,
  destination: id,
  originalDestination: id,
  source: id,
  token: new Uint8Array(0),
  isProven: false
}

const make = (limits: Partial<AdmissionLimits> = {}) =>
  new Admission<string>(
    {
      retry: "underLoad",
      retryHandshakes: 4,
      handshakes: 8,
      handshakesPerSource: 8,
      waitingClients: 8,
      patienceMicros: 1_000_000,
      ...limits
    },
    new SeededRandom("admission").bytes
  )

/** `count` strangers that arrived at `nowMicros`. */
const queueOf = (admission: Admission<string>, count: number, nowMicros = 0): Array<Stranger<string>> =>
  Array.from({ length: count }, () => {
    const stranger = new Stranger<string>(introduction, nowMicros, roomForStranger(1200))
    admission.wait(stranger)
    return stranger
  })

describe("admission", () => {
  it("requires Retry above a number of strangers, waiting or started, until they are forgotten", () => {
    const admission = make()
    queueOf(admission, 3)
    expect(admission.judge(here, false, 0)).toBe("turn")
    queueOf(admission, 1)
    expect(admission.judge(here, false, 0)).toBe("retry")
    expect(admission.judge(here, true, 0)).toBe("turn")
    for (const name of ["a", "b", "c", "d"]) admission.begin(admission.next(0)!, name)
    expect(admission.waiting).toBe(0)
    expect(admission.judge(here, false, 0)).toBe("retry")
    admission.end("b", true)
    expect(admission.judge(here, false, 0)).toBe("turn")
  })

  it("requires Retry while handshakes fail as fast as they begin, and for a second afterwards at most", () => {
    const admission = make()
    const failing = (count: number): void => {
      for (let i = 0; i < count; i++) {
        queueOf(admission, 1)
        admission.begin(admission.next(0)!, `${i}`)
        admission.end(`${i}`, false)
      }
    }
    failing(3)
    expect(admission.judge(here, false, 0)).toBe("turn")
    failing(1)
    expect(admission.judge(here, false, 0)).toBe("retry")
    expect(admission.judge(here, true, 0)).toBe("turn")
    failing(1_000)
    expect(admission.judge(here, false, 1_000_000)).toBe("retry")
    expect(admission.judge(here, false, 1_250_000)).toBe("turn")
  })

  it("requires Retry before clients that never proved an address fill the queue", () => {
    const admission = make({ retryHandshakes: 1000, waitingClients: 1000 })
    queueOf(admission, 600)
    // served one after the other, each takes 5 ms: the remaining ones would take half of what a client may wait
    for (let i = 0; i < 500; i++) admission.next(i * 5_000)
    expect(admission.judge(here, false, 0)).toBe("retry")
    expect(admission.judge(here, true, 0)).toBe("turn")
    for (let i = 500; i < 560; i++) admission.next(i * 5_000)
    expect(admission.judge(here, false, 0)).toBe("turn")
  })

  it("requires Retry always, or never, if that is the policy", () => {
    expect(make({ retry: "always" }).judge(here, false, 0)).toBe("retry")
    const never = make({ retry: "never" })
    queueOf(never, 7)
    expect(never.judge(here, false, 0)).toBe("turn")
  })

  it("refuses everybody beyond its limit, validated or not", () => {
    const admission = make({ retry: "never" })
    queueOf(admission, 7)
    admission.begin(admission.next(0)!, "a")
    expect(admission.judge(here, true, 0)).toBe("turn")
    queueOf(admission, 2)
    expect([admission.waiting, admission.strangers]).toEqual([8, 9])
    expect(admission.judge(here, true, 0)).toBe("refusal")
    expect(admission.judge(here, false, 0)).toBe("refusal")
  })

  it("serves started handshakes first, then in order of arrival", () => {
    const admission = make()
    const [first, second, third] = queueOf(admission, 3)
    expect(admission.next(0)).toBe(first)
    admission.begin(first, "a")
    admission.wait(first)
    admission.wait(first)
    expect([0, 1, 2, 3].map(() => admission.next(0))).toEqual([first, second, third, undefined])
    expect(admission.hasWaiting).toBe(false)
  })

  it("forgets a stranger that closes while it waits for another turn", () => {
    const admission = make()
    const [first] = queueOf(admission, 1)
    admission.begin(admission.next(0)!, "a")
    admission.wait(first)
    admission.end("a", true)
    expect(admission.hasWaiting).toBe(false)
    expect(admission.strangers).toBe(0)
  })

  it("refuses those at the end of a queue that moves too slowly, and any newcomers", () => {
    const admission = make({ waitingClients: 1000, retry: "never" })
    const strangers = queueOf(admission, 200)
    expect(admission.nextOverdue(0)).toBeUndefined()
    // at 10 ms each, 100 are served within a second
    for (let i = 0; i < 14; i++) admission.next(i * 10_000)
    expect(admission.nextOverdue(130_000)).toBeUndefined()
    admission.next(140_000)
    const sent: Array<unknown> = []
    for (;;) {
      const hopeless = admission.nextOverdue(140_000)
      if (hopeless === undefined) break
      sent.push(hopeless)
    }
    expect(sent).toEqual(strangers.slice(101).reverse())
    expect(admission.judge(here, true, 0)).toBe("turn")
    queueOf(admission, 15)
    expect(admission.judge(here, true, 0)).toBe("refusal")
  })

  it("does not take the time that handshakes in flight need for the time that it needs itself", () => {
    const admission = make({ handshakes: 1, waitingClients: 1000, retry: "never" })
    queueOf(admission, 100)
    for (let i = 0; i < 20; i++) {
      admission.begin(admission.next(i * 40_000)!, `${i}`)
      // a round trip later
      admission.end(`${i}`, true)
    }
    expect(admission.judge(here, true, 0)).toBe("turn")
    expect(admission.nextOverdue(800_000)).toBeUndefined()
  })

  it("nor when the last turn was for the second half of a ClientHello", () => {
    const admission = make({ handshakes: 1, waitingClients: 1000, retry: "never" })
    queueOf(admission, 100)
    for (let i = 0; i < 20; i++) {
      const stranger = admission.next(i * 40_000)!
      admission.begin(stranger, `${i}`)
      admission.wait(stranger)
      expect(admission.next(i * 40_000 + 1_000)).toBe(stranger)
      // a round trip later
      admission.end(`${i}`, true)
    }
    expect(admission.judge(here, true, 0)).toBe("turn")
    expect(admission.nextOverdue(761_000)).toBeUndefined()
  })

  it("serves a crowd behind one address at the pace of the machine, whatever slows a few turns", () => {
    const patienceMicros = 2_500_000
    const admission = make({ ...defaultLimits, patienceMicros })
    const crowd = 300
    queueOf(admission, crowd)
    const roundTripMicros = 30_000
    const inFlight: Array<{ readonly name: string; readonly endMicros: number }> = []
    let nowMicros = 0
    let idleMicros = 0
    let served = 0
    while (admission.strangers > 0) {
      while (inFlight.length > 0 && inFlight[0].endMicros <= nowMicros) {
        admission.end(inFlight.shift()!.name, true)
        served++
      }
      expect(admission.nextOverdue(nowMicros)).toBeUndefined()
      const stranger = admission.next(nowMicros)
      if (stranger !== undefined) {
        admission.begin(stranger, `${nowMicros}`)
        inFlight.push({ name: `${nowMicros}`, endMicros: nowMicros + roundTripMicros })
        const turns = served + inFlight.length
        // another process takes the processor for 0.4 s
        nowMicros += turns > 150 && turns <= 158 ? 50_000 : 5_000
      } else if (inFlight.length > 0) {
        idleMicros += inFlight[0].endMicros - nowMicros
        nowMicros = inFlight[0].endMicros
      }
    }
    expect(served).toBe(crowd)
    // at the beginning, five wait for each other's round trips; at the end, nobody is left
    expect(idleMicros).toBeLessThan(3 * roundTripMicros)
  })

  it("refuses whoever has waited too long, and nobody because of a single stall", () => {
    const admission = make({ waitingClients: 1000, retry: "never" })
    queueOf(admission, 20)
    for (const nowMicros of [0, 1_000, 2_000]) admission.next(nowMicros)
    admission.next(500_000)
    expect(admission.nextOverdue(500_000)).toBeUndefined()
    expect(admission.nextOverdue(1_000_001)).toBeDefined()
  })
})

describe("a stranger", () => {
  it("has at most 16 datagrams and 24 kB buffered until its turn", () => {
    const many = new Stranger<string>(introduction, 0, roomForStranger(1200))
    for (let i = 0; i < 16; i++) expect(many.hold(new Uint8Array(1), 0)).toBe(true)
    expect(many.hold(new Uint8Array(1), 0)).toBe(false)
    expect(many.takeHeld()).toHaveLength(16)
    const large = new Stranger<string>(introduction, 0, roomForStranger(1200))
    expect(large.hold(new Uint8Array(20_000), 0)).toBe(true)
    expect(large.hold(new Uint8Array(5_000), 0)).toBe(false)
    expect(large.hold(new Uint8Array(4_000), 0)).toBe(true)
  })

  it("has room for two datagrams of the size this side starts with", () => {
    const stranger = new Stranger<string>(introduction, 0, roomForStranger(65_507))
    for (let i = 0; i < 2; i++) expect(stranger.hold(new Uint8Array(65_507), 0)).toBe(true)
    expect(stranger.hold(new Uint8Array(1200), 0)).toBe(false)
    stranger.takeHeld()
    expect(stranger.hold(new Uint8Array(65_507), 0)).toBe(true)
  })
})
