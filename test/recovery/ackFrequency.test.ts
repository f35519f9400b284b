import { describe, expect, it } from "vitest"
import { AckFrequency } from "../../src/recovery/AckFrequency.ts"
import { FrameType } from "../../src/wire/FrameType.ts"

/** The max_ack_delay that probe timeouts currently assume. */
const recovery = {
  maxAckDelayMicros: 25_000,
  setPeerMaxAckDelay(micros: number) {
    this.maxAckDelayMicros = micros
  }
}

const started = (minMicros = 1_000): AckFrequency => {
  recovery.maxAckDelayMicros = 25_000
  const ackFrequency = new AckFrequency(recovery)
  ackFrequency.start(minMicros, 25_000)
  return ackFrequency
}

const asked = (ackFrequency: AckFrequency) => ({ ...ackFrequency.take() })

describe("the requested ACK frequency", () => {
  it("is not requested from a peer without support", () => {
    const ackFrequency = new AckFrequency(recovery)
    ackFrequency.onMeasured(10_000, 20_000, 3)
    expect(ackFrequency.isSupported).toBe(false)
    expect(ackFrequency.hasFrames()).toBe(false)
  })

  it("is not requested while the window is small", () => {
    const ackFrequency = started()
    ackFrequency.onMeasured(63, 20_000, 3)
    expect(ackFrequency.hasFrames()).toBe(false)
  })

  it("falls with the window: 16 ACKs per window, but one per 16 packets", () => {
    const rows = [64, 100, 160, 256, 10_000].map((window) => {
      const ackFrequency = started()
      ackFrequency.onMeasured(window, 20_000, 3)
      return asked(ackFrequency)
    })
    expect(rows).toEqual(
      [3, 5, 9, 15, 15].map((threshold) => ({
        sequence: 0,
        threshold,
        maxAckDelayMicros: 5_000,
        reordering: 3
      }))
    )
  })

  it("never asks for a delay outside what the peer allows", () => {
    for (const [rtt, delay] of [
      [100, 1_000],
      [40_000, 10_000],
      [600_000, 25_000]
    ]) {
      const ackFrequency = started()
      ackFrequency.onMeasured(1_000, rtt, 3)
      expect(asked(ackFrequency).maxAckDelayMicros).toBe(delay)
    }
  })

  it("changes when the window has doubled or halved, under a higher number", () => {
    const ackFrequency = started()
    ackFrequency.onMeasured(64, 20_000, 3)
    ackFrequency.onAcked(FrameType.ACK_FREQUENCY, asked(ackFrequency).sequence)
    ackFrequency.onMeasured(127, 20_000, 3)
    expect(ackFrequency.hasFrames()).toBe(false)
    ackFrequency.onMeasured(128, 20_000, 3)
    expect(asked(ackFrequency)).toMatchObject({ sequence: 1, threshold: 7 })
    ackFrequency.onAcked(FrameType.ACK_FREQUENCY, 1)
    ackFrequency.onMeasured(80, 20_000, 3)
    expect(ackFrequency.hasFrames()).toBe(false)
    ackFrequency.onMeasured(10, 20_000, 3)
    expect(asked(ackFrequency)).toMatchObject({ sequence: 2, threshold: 1 })
  })

  it("changes when loss detection tolerates more reordering, once anything was requested", () => {
    const ackFrequency = started()
    ackFrequency.onMeasured(10, 20_000, 5)
    expect(ackFrequency.hasFrames()).toBe(false)
    ackFrequency.onMeasured(64, 20_000, 3)
    ackFrequency.onAcked(FrameType.ACK_FREQUENCY, asked(ackFrequency).sequence)
    ackFrequency.onMeasured(64, 20_000, 5)
    expect(asked(ackFrequency)).toMatchObject({ sequence: 1, reordering: 5 })
  })

  it("is requested one frame at a time, and again when that is lost", () => {
    const ackFrequency = started()
    ackFrequency.onMeasured(64, 20_000, 3)
    const first = asked(ackFrequency)
    ackFrequency.onMeasured(1_000, 20_000, 3)
    expect(ackFrequency.hasFrames()).toBe(false)
    ackFrequency.onLost(FrameType.ACK_FREQUENCY, first.sequence)
    expect(asked(ackFrequency)).toEqual({ ...first, sequence: 1 })
    // the first request arrives after all
    ackFrequency.onAcked(FrameType.ACK_FREQUENCY, 0)
    ackFrequency.onMeasured(1_000, 20_000, 3)
    expect(ackFrequency.hasFrames()).toBe(false)
    ackFrequency.onAcked(FrameType.ACK_FREQUENCY, 1)
    ackFrequency.onLost(FrameType.ACK_FREQUENCY, 0)
    expect(ackFrequency.hasFrames()).toBe(false)
  })

  it("leaves the larger of two delays in force until the smaller is acknowledged", () => {
    const ackFrequency = started()
    expect(recovery.maxAckDelayMicros).toBe(25_000)
    ackFrequency.onMeasured(64, 20_000, 3)
    const { sequence } = asked(ackFrequency)
    expect(recovery.maxAckDelayMicros).toBe(25_000)
    ackFrequency.onAcked(FrameType.ACK_FREQUENCY, sequence)
    expect(recovery.maxAckDelayMicros).toBe(5_000)
  })
})
