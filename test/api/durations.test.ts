/** Options that are durations: whatever Effect takes for one, within a range, named where it is wrong. */
import { expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe } from "vitest"
import * as NodeNetworkInterfaces from "../../layers/node/NodeNetworkInterfaces.ts"
import * as NodeRelayPort from "../../layers/node/relay/NodeRelayPort.ts"
import * as Channels from "../../src/Channels.ts"
import { millisOf } from "../../src/durationOption.ts"
import { EndpointLimits } from "../../src/EndpointLimits.ts"
import { connectSettings, ConnectSchema } from "../../src/EndpointOptions.ts"
import { peerSettings } from "../../src/PeerOptions.ts"
import type { QuicError } from "../../src/QuicError.ts"
import { check, checkTransport, type TransportOptions } from "../../src/QuicOptions.ts"
import { relayServerSettings } from "../../src/RelayServerOptions.ts"
import * as Schema from "effect/Schema"

const ways: ReadonlyArray<readonly [unknown, number]> = [
  [1500, 1500],
  ["1.5 seconds", 1500],
  ["1500 millis", 1500],
  [Duration.seconds(1.5), 1500],
  [1_500_000_000n, 1500],
  [[1, 500_000_000], 1500],
  [{ seconds: 1, milliseconds: 500 }, 1500],
  ["1 micro", 0.001],
  ["Infinity", Number.POSITIVE_INFINITY],
  [-2, -2],
  [0, 0]
]

it.each(ways)("%s is a duration of %d ms", (given, millis) => {
  expect(millisOf(given)).toBe(millis)
})

// Duration.fromInput takes most of these for no time at all, with which a timeout would be off
const none = [
  Number.NaN,
  "15",
  "soon",
  "15 parsecs",
  null,
  true,
  {},
  { second: 15 },
  { seconds: Number.NaN },
  { seconds: "15" },
  [1, Number.NaN],
  [1],
  () => 15
]

it.each(none.map((given) => [given]))("%o is none", (given) => {
  expect(millisOf(given)).toBeUndefined()
})

const transport = (given: unknown) =>
  checkTransport({ maxIdleTimeout: given } as TransportOptions) as Effect.Effect<unknown, QuicError>

describe("a connection's", () => {
  it.effect("durations are whole milliseconds in the core, rounded up, so that little is not nothing", () =>
    Effect.gen(function* () {
      const options = {
        maxIdleTimeout: "2 minutes",
        keepAliveInterval: "1 micro",
        closeTimeout: 0.5
      } as const
      expect(yield* checkTransport(options)).toMatchObject({
        maxIdleTimeoutMillis: 120_000,
        keepAliveIntervalMillis: 1,
        closeTimeoutMillis: 1,
        handshakeTimeoutMillis: 5_000
      })
    })
  )

  it.effect("range is told as it could be written", () =>
    Effect.gen(function* () {
      for (const given of [...none, -1, "-1 seconds", "Infinity", "25 hours"])
        expect((yield* Effect.flip(transport(given))).reason).toMatchObject({
          _tag: "InvalidOption",
          field: "transport.maxIdleTimeout",
          problem: expect.stringContaining("a duration from 0 to 1 day")
        })
      const other = yield* Effect.flip(checkTransport({ handshakeTimeout: 99.9 }))
      expect(other.message).toContain("transport.handshakeTimeout")
      expect(other.message).toContain("a duration from 100 millis to 5 minutes")
    })
  )

  it.effect("addresses are raced for durations, too", () =>
    Effect.gen(function* () {
      const where = { host: "localhost", port: 1, alpn: ["x"] }
      const given = yield* check(ConnectSchema, { ...where, attemptDelay: "1 second" })
      expect(connectSettings(given)).toMatchObject({ attemptDelayMillis: 1_000 })
      expect(connectSettings(given)).not.toHaveProperty("connectTimeoutMillis")
      expect(connectSettings(given)).not.toHaveProperty("attemptDelay")
    })
  )
})

const channel = (deadline: unknown): Effect.Effect<unknown, QuicError> =>
  Effect.try({
    try: () =>
      Channels.make("x", {
        channels: {
          a: {
            direction: "both",
            message: Schema.String,
            intent: "realtime",
            deadline: deadline as Duration.Input
          }
        }
      }),
    catch: (error) => error as QuicError
  })

const interfaces = (given: unknown): Effect.Effect<unknown, QuicError> =>
  Effect.try({
    try: () => NodeNetworkInterfaces.make({ pollInterval: given as Duration.Input }),
    catch: (error) => error as QuicError
  })

const built = <A>(layer: Layer.Layer<A, QuicError>): Effect.Effect<unknown, QuicError> =>
  Effect.scoped(Layer.build(layer))

const peer = (stableAfter: unknown) =>
  peerSettings({ host: "localhost", port: 1, alpn: ["x"], stableAfter: stableAfter as Duration.Input })

describe.each<[string, (given: never) => Effect.Effect<unknown, QuicError>, Duration.Input]>([
  ["stableAfter", peer, "1 day"],
  ["channels.a.deadline", channel, "Infinity"],
  ["pollInterval", interfaces, "1 day"],
  ["connectTimeout", (connectTimeout) => built(NodeRelayPort.layerWith({ connectTimeout })), "1 day"],
  ["limits.strikes.window", (window) => check(EndpointLimits, { strikes: { window } }, "limits."), "1 hour"],
  ["limits.authTimeout", (authTimeout) => relayServerSettings({ limits: { authTimeout } }), "1 minute"]
])("%s", (field, give, most) => {
  it.effect("is a duration, and is named if it is none", () =>
    Effect.gen(function* () {
      yield* give("1 second" as never)
      yield* give(most as never)
      for (const given of [Number.NaN, -1, "soon", {}])
        expect((yield* Effect.flip(give(given as never))).reason).toMatchObject({
          _tag: "InvalidOption",
          field
        })
    })
  )
})
