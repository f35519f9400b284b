import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PathValidator } from "../../src/path/PathValidator.ts"

const PTO = 100_000
const SECOND = 1_000_000

/** Different bytes for each call, reproducibly. */
const counting = (): ((length: number) => Uint8Array) => {
  let drawn = 0
  return (length) => new Uint8Array(length).fill(++drawn)
}

const peerChallenge = (n: number): Uint8Array => new Uint8Array(8).fill(n)

/** Sends a due challenge in a datagram of `size`; returns its data. */
const sendChallenge = (
  validator: PathValidator,
  now: number,
  random: (length: number) => Uint8Array,
  size = 1200,
  pto = PTO
): Uint8Array | undefined => {
  const data = validator.pollChallenge(now, random, pto)
  validator.takeMustExpand()
  validator.onDatagramSent(size)
  return data
}

describe("path validation", () => {
  it("sends nothing until it is started", () => {
    const validator = new PathValidator()
    expect(validator.hasFrames()).toBe(false)
    expect(validator.pollChallenge(0, counting(), PTO)).toBeUndefined()
    expect(validator.deadlineMicros).toBe(Number.POSITIVE_INFINITY)
  })

  it("succeeds when the challenge comes back", () => {
    const validator = new PathValidator()
    validator.start(0, PTO)
    const data = sendChallenge(validator, 0, counting())!
    expect(data).toHaveLength(8)
    expect(validator.onResponse(data.slice(), 50_000)).toBe("validated")
    expect(validator.state).toBe("validated")
    expect(validator.addressValidated).toBe(true)
    expect(validator.deadlineMicros).toBe(Number.POSITIVE_INFINITY)
    expect(validator.hasFrames()).toBe(false)
  })

  it("rejects a response to no challenge, and continues", () => {
    const validator = new PathValidator()
    expect(validator.onResponse(peerChallenge(1), 0)).toBe("rejected")
    validator.start(0, PTO)
    const data = sendChallenge(validator, 0, counting())!
    const wrong = data.slice()
    wrong[7] ^= 1
    expect(validator.onResponse(wrong, 1)).toBe("rejected")
    expect(validator.state).toBe("validating")
    expect(validator.onResponse(data, 2)).toBe("validated")
  })

  // RFC 9000 §8.2.1 #1, §9.4 #3, §8.2.1 #S2, §9.4 #S1
  it("retries with fresh data at doubling intervals, and accepts the response to any of them", () => {
    const random = counting()
    for (let answered = 0; answered < 5; answered++) {
      const validator = new PathValidator()
      validator.start(0, PTO)
      const sent: Array<Uint8Array> = []
      const times: Array<number> = []
      for (let now = 0; sent.length < 5; now = validator.deadlineMicros) {
        expect(validator.sweep(now)).toBe(false)
        times.push(now / PTO)
        sent.push(sendChallenge(validator, now, random)!)
      }
      expect(times).toEqual([0, 1, 3, 7, 15])
      expect(new Set(sent.map(String)).size).toBe(5)
      expect(validator.onResponse(sent[answered], 16 * PTO)).toBe("validated")
    }
  })

  it("retries earlier once the round trip turns out to be short, and never later", () => {
    const validator = new PathValidator()
    validator.start(0, PTO)
    const random = counting()
    sendChallenge(validator, 0, random)
    validator.sweep(PTO)
    sendChallenge(validator, PTO, random)
    validator.onMeasured(2 * PTO)
    expect(validator.deadlineMicros).toBe(3 * PTO)
    validator.onMeasured(PTO / 10)
    expect(validator.deadlineMicros).toBe(PTO + (2 * PTO) / 10)
    validator.sweep(PTO + (2 * PTO) / 10)
    expect(validator.isChallengeDue).toBe(true)
    // one that is due already is not put off
    validator.onMeasured(PTO)
    expect(validator.isChallengeDue).toBe(true)
  })

  it("keeps a due challenge until there is a packet for it, without asking for another wake-up", () => {
    const validator = new PathValidator()
    validator.start(0, PTO)
    sendChallenge(validator, 0, counting())
    validator.sweep(PTO)
    expect(validator.hasFrames()).toBe(true)
    expect(validator.deadlineMicros).toBe(3 * SECOND) // only the timeout is left
  })

  it("times out after three seconds", () => {
    const validator = new PathValidator()
    validator.start(SECOND, PTO)
    const data = sendChallenge(validator, SECOND, counting())!
    expect(validator.sweep(4 * SECOND - 1)).toBe(false)
    expect(validator.sweep(4 * SECOND)).toBe(true)
    expect(validator.state).toBe("timedOut")
    expect(validator.sweep(5 * SECOND)).toBe(false)
    expect(validator.hasFrames()).toBe(false)
    expect(validator.onResponse(data, 5 * SECOND)).toBe("late")
  })

  // RFC 9000 §8.2.4 #S1 #S2
  it("times out after three PTOs where those are longer", () => {
    const validator = new PathValidator()
    validator.start(0, 2 * SECOND)
    expect(validator.sweep(6 * SECOND - 1)).toBe(false)
    expect(validator.sweep(6 * SECOND)).toBe(true)
  })

  it("accepts no response after the timeout, even before that is handled", () => {
    const validator = new PathValidator()
    validator.start(0, PTO)
    const data = sendChallenge(validator, 0, counting())!
    expect(validator.onResponse(data, 3 * SECOND)).toBe("late")
    expect(validator.state).toBe("validating")
  })

  it("recognizes responses to an earlier validation, which validate nothing", () => {
    const random = counting()
    const validator = new PathValidator()
    validator.start(0, PTO)
    const first = sendChallenge(validator, 0, random)!
    validator.start(SECOND, PTO)
    expect(validator.onResponse(first, SECOND)).toBe("late")
    const second = sendChallenge(validator, SECOND, random)!
    expect(validator.onResponse(second, SECOND)).toBe("validated")
    expect(validator.onResponse(second, SECOND)).toBe("late")
  })

  it("can be abandoned", () => {
    const validator = new PathValidator()
    validator.cancel()
    validator.start(0, PTO)
    validator.cancel()
    expect(validator.state).toBe("idle")
    expect(validator.hasFrames()).toBe(false)
    expect(validator.sweep(10 * SECOND)).toBe(false)
  })

  it("remembers a bounded number of challenges, the newest ones", () => {
    const random = counting()
    const validator = new PathValidator()
    validator.start(0, 1)
    const sent: Array<Uint8Array> = []
    for (let now = 0; sent.length < 12; now = validator.deadlineMicros) {
      validator.sweep(now)
      sent.push(sendChallenge(validator, now, random, 1200, 1)!)
    }
    expect(validator.onResponse(sent[3], 4096)).toBe("rejected")
    expect(validator.onResponse(sent[4], 4096)).toBe("validated")
  })
})

describe("validation of a path that may not carry 1200 bytes yet", () => {
  // RFC 9000 §8.2.1 #3, §8.2.3 #1
  it("validates the address first, then the size with another challenge", () => {
    const random = counting()
    const validator = new PathValidator()
    validator.start(0, PTO)
    const small = sendChallenge(validator, 0, random, 600)!
    expect(validator.onResponse(small, PTO)).toBe("addressValidated")
    expect(validator.addressValidated).toBe(true)
    expect(validator.state).toBe("validating")
    expect(validator.hasFrames()).toBe(true)
    const full = sendChallenge(validator, PTO, random)!
    expect(validator.onResponse(full, 2 * PTO)).toBe("validated")
  })

  it("fails when full-sized datagrams do not get through", () => {
    const validator = new PathValidator()
    const random = counting()
    validator.start(0, PTO)
    validator.onResponse(sendChallenge(validator, 0, random, 600)!, SECOND)
    sendChallenge(validator, SECOND, random)
    expect(validator.sweep(4 * SECOND)).toBe(true)
  })

  // RFC 9000 §8.2.1 #2, §8.2.2 #5
  it("requires every datagram with a challenge or a response to be expanded, and no other", () => {
    const validator = new PathValidator()
    expect(validator.takeMustExpand()).toBe(false)
    validator.start(0, PTO)
    validator.pollChallenge(0, counting(), PTO)
    expect(validator.takeMustExpand()).toBe(true)
    expect(validator.takeMustExpand()).toBe(false)
    validator.onChallenge(peerChallenge(1), 1200)
    validator.pollResponse()
    expect(validator.takeMustExpand()).toBe(true)
    validator.pollResponse()
    expect(validator.takeMustExpand()).toBe(false)
  })
})

describe("responses to the peer's challenges", () => {
  // RFC 9000 §8.2.2 #7
  it("echo each challenge once", () => {
    const validator = new PathValidator()
    validator.onChallenge(peerChallenge(1), 1200)
    expect(validator.hasFrames()).toBe(true)
    expect(validator.pollResponse()).toEqual(peerChallenge(1))
    expect(validator.pollResponse()).toBeUndefined()
    expect(validator.hasFrames()).toBe(false)
  })

  // RFC 9000 §21.1.1
  it("may be three times as large as the challenge without congestion credit; our own challenges have full size", () => {
    const validator = new PathValidator()
    expect(validator.unboundBytes).toBe(0)
    validator.onChallenge(peerChallenge(1), 50)
    validator.onChallenge(peerChallenge(2), 40)
    expect(validator.unboundBytes).toBe(150)
    validator.pollResponse()
    validator.onDatagramSent(100)
    // the other response had no room: it waits for credit, or for another challenge
    expect([validator.hasFrames(), validator.unboundBytes]).toEqual([true, 0])
    validator.onChallenge(peerChallenge(3), 1200)
    expect(validator.unboundBytes).toBe(3600)
    validator.start(0, PTO)
    expect(validator.unboundBytes).toBe(Number.POSITIVE_INFINITY)
  })

  it("are bounded: under a flood only the newest are answered", () => {
    const validator = new PathValidator()
    for (let i = 1; i <= 100; i++) validator.onChallenge(peerChallenge(i), 1200)
    const answered: Array<number> = []
    for (let data = validator.pollResponse(); data !== undefined; data = validator.pollResponse())
      answered.push(data[0])
    expect(answered).toEqual([93, 94, 95, 96, 97, 98, 99, 100])
  })
})

describe("path validation as a whole", () => {
  it("always ends, and only an answered full-sized challenge validates", () => {
    const action = fc.record({
      size: fc.constantFrom(600, 1200),
      answer: fc.oneof({ weight: 5, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat(9) }),
      wait: fc.nat(800_000)
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const random = counting()
        const validator = new PathValidator()
        validator.start(0, PTO)
        const sent: Array<{ data: Uint8Array; size: number }> = []
        let now = 0
        for (const { size, answer, wait } of actions) {
          const data = sendChallenge(validator, now, random, size)
          if (data !== undefined) sent.push({ data, size })
          now += wait
          if (answer >= 0 && sent.length > 0) {
            const chosen = sent[answer % sent.length]
            const outcome = validator.onResponse(chosen.data, now)
            if (outcome === "validated") expect(chosen.size).toBe(1200)
            if (outcome === "addressValidated") expect(chosen.size).toBe(600)
          }
          validator.sweep(now)
        }
        for (let i = 0; i < 100 && validator.deadlineMicros < Number.POSITIVE_INFINITY; i++) {
          validator.sweep(validator.deadlineMicros)
          sendChallenge(validator, now, random)
        }
        expect(validator.state === "validated" || validator.state === "timedOut").toBe(true)
        if (validator.state === "validated") expect(validator.addressValidated).toBe(true)
      })
    )
  })
})
