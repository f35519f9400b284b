import type { Role } from "../../src/wire/Role.ts"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeQlog from "../../layers/node/NodeQlog.ts"
import { type ConnectionStats, Qlog } from "../../src/index.ts"
import { QlogTrace } from "../../src/qlog/QlogTrace.ts"
import { pair, pattern, readAll } from "../api/pair.ts"
import { simWorld, type World } from "../api/World.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { writeRetry } from "../../src/wire/versionPackets.ts"
import { CorePair } from "../connection/CorePair.ts"
import { Duel } from "../connection/Duel.ts"
import { TwoPaths } from "../connection/TwoPaths.ts"
import { itSim } from "../sim/itSim.ts"
import { expectLoadsInQvis } from "./qvis.ts"
import { checkEvent, checkHeader, type QlogEvent, readRecords } from "./schema.ts"

class Logs {
  readonly files = new Map<string, string>()
  readonly qlog = (name: string) => (records: string) => {
    this.files.set(name, (this.files.get(name) ?? "") + records)
  }

  of(role: Role): ReadonlyArray<QlogEvent> {
    const [, text] = [...this.files].find(([name]) => name.endsWith(`_${role}`))!
    expectLoadsInQvis(text)
    const [header, ...events] = readRecords(text)
    checkHeader(header, role)
    for (const event of events) checkEvent(event)
    return events
  }
}

const count = (events: ReadonlyArray<QlogEvent>, name: string): number =>
  events.filter((event) => event.name === `quic:${name}`).length

const logged = (world: World, { qlog }: Logs): World => {
  const layer = Layer.succeed(Qlog, qlog)
  const place = (each: World["client"]) => ({ ...each, layer: Layer.merge(each.layer, layer) })
  return { ...world, client: place(world.client), server: place(world.server) }
}

describe("a log", () => {
  itSim("of a transfer over a bad network is valid, and counts what the statistics count", () =>
    Effect.gen(function* () {
      const logs = new Logs()
      const world = yield* simWorld
      world.cable!.set({ lossRate: 0.03, duplicateRate: 0.02, jitterMillis: 5 })
      const stats: { client?: ConnectionStats; server?: ConnectionStats } = {}
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { near, far } = yield* pair(logged(world, logs), {
            client: { transport: { versions: ["v1", "v2"] } }
          })
          const stream = yield* near.openUni
          const received = yield* Effect.forkChild(Effect.flatMap(far.acceptUni, readAll))
          yield* stream.write(pattern(400_000))
          yield* stream.finish
          expect(yield* Fiber.join(received)).toEqual(pattern(400_000))
          yield* near.updateKeys
          yield* near.close(7, "done")
          yield* far.closed
          yield* Effect.sleep("2 seconds")
          stats.client = near.stats
          stats.server = far.stats
        })
      )
      for (const role of ["client", "server"] as const) {
        const events = logs.of(role)
        const { packetsSent, packetsReceived, packetsDropped, packetsLost } = stats[role]!
        expect(count(events, "packet_sent")).toBe(packetsSent)
        expect(count(events, "packet_received")).toBe(packetsReceived)
        expect(count(events, "packet_lost")).toBe(packetsLost)
        expect(count(events, "packet_dropped")).toBe(packetsDropped)
        if (role === "client") expect(packetsLost).toBeGreaterThan(0)
        for (let i = 1; i < events.length; i++)
          expect(events[i].time).toBeGreaterThanOrEqual(events[i - 1].time)
      }
    })
  )

  it("reports why packets were dropped that could be decrypted, or need no decryption", () => {
    const logs = new Logs()
    const duel = new Duel({
      victim: "client",
      observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, logs.qlog)
    })
    const { puppet, connection } = duel
    duel.drainVictim()
    duel.inject(puppet.outbox.splice(0)[0])
    const source = new Uint8Array(8).fill(0xee)
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200, source }))
    duel.inject(
      writeRetry(
        Version.v1,
        connection.parts.localInitialId,
        source,
        new Uint8Array(36),
        (n) => new Uint8Array(n)
      )
    )
    connection.close(0, "", duel.nowMicros)
    duel.exchange()
    const dropped = logs.of("client").filter(({ name }) => name === "quic:packet_dropped")
    expect(dropped.map(({ data }) => [data.header?.packet_type, data.trigger, data.details])).toEqual([
      ["initial", "invalid", { reason: "from another Source Connection ID than its first" }],
      ["retry", "rejected", { reason: "in answer to no first flight" }]
    ])
    expect(count(logs.of("client"), "packet_received")).toBe(connection.receiver.counters.received)
  })

  it("tells the path of packets that are numbered on another than the first, sent, received and lost", () => {
    const logs = new Logs()
    const two = new TwoPaths({
      observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, logs.qlog)
    })
    const { client } = two.pair
    let lost = 0
    two.arrives = ({ by, socket }) => by === "server" || socket === 0 || ++lost % 5 > 0
    client.streams.write(client.streams.open(false), new Uint8Array(100_000))
    two.exchange().advance(1_000_000)
    client.close(0, "", two.nowMicros)
    two.exchange()
    const path = two.second.client
    const onPath = (name: string) =>
      logs
        .of("client")
        .filter((event) => event.name === `quic:${name}`)
        .filter(({ data: { header } }) => (header as { path_id?: number } | undefined)?.path_id === 1).length
    expect(onPath("packet_sent")).toBe(path.recovery.counters.packetsSent)
    expect(onPath("packet_lost")).toBe(path.recovery.counters.packetsLost)
    expect(onPath("packet_lost")).toBeGreaterThan(0)
    expect(onPath("packet_received")).toBeGreaterThan(0)
  })

  it("tells how paths come, fall silent and go, what they are together, and what is measured on each", () => {
    const logs = new Logs()
    const two = new TwoPaths({
      observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, logs.qlog)
    })
    const { client } = two.pair
    const send = () => {
      client.streams.write(client.streams.open(false), new Uint8Array(50_000))
      two.exchange().advance(2_000_000)
    }
    send()
    two.arrives = ({ socket }) => socket === 0
    send()
    two.arrives = () => true
    two.advance(20_000_000)
    client.rotateIds(two.nowMicros)
    client.multipath.abandon(two.second.client, 0x3e, two.nowMicros)
    two.exchange().advance(20_000_000)
    client.close(0, "", two.nowMicros)
    two.exchange()
    const changes = (role: Role, name: string) =>
      logs
        .of(role)
        .filter((event) => event.name === `multipath:${name}`)
        .map(({ data: { old, new: next, initiator, error_code } }) =>
          [old, next, initiator, error_code].filter((field) => field !== undefined).join(" ")
        )
    const opened = ["created validating", "validating active"]
    expect(changes("client", "path_state_updated")).toEqual([
      ...opened,
      "active silent",
      "silent active",
      "active closing local 62",
      "closing failed"
    ])
    expect(changes("server", "path_state_updated").slice(-2)).toEqual([
      "active closing remote 62",
      "closing failed"
    ])
    expect(changes("client", "bonding_state_updated")).toEqual([
      "singlePath pending",
      "pending bonded",
      "bonded degraded",
      "degraded bonded",
      "bonded singlePath"
    ])
    const about = (path_id: number | undefined, name: string) =>
      logs.of("client").filter((event) => event.name === `quic:${name}` && event.data.path_id === path_id)
    expect(about(1, "tuple_assigned").map(({ data }) => data.tuple_remote)).toEqual([
      { ip_v4: "198.51.100.1", port_v4: 4434 }
    ])
    for (const id of [undefined, 1]) {
      expect(about(id, "mtu_updated").length).toBeGreaterThan(0)
      const metrics = about(id, "recovery_metrics_updated").map(({ data }) => data)
      expect(metrics.some(({ congestion_window: window }) => (window as number) > 0)).toBe(true)
      expect(metrics.some(({ smoothed_rtt: rtt }) => rtt !== undefined)).toBe(true)
    }
    const ids = logs
      .of("client")
      .flatMap(({ data }) => data.frames ?? [])
      .filter(({ frame_type }) => frame_type.endsWith("new_connection_id"))
      .map(({ frame_type, path_id }: { frame_type: string; path_id?: number }) => [frame_type, path_id])
    expect(ids).toContainEqual(["path_new_connection_id", 0])
    expect(ids).toContainEqual(["path_new_connection_id", 1])
  })

  it("reports versions, parameters, keys, states, and the close", () => {
    const logs = new Logs()
    const pair = new CorePair({
      client: { versions: ["v1", "v2"], maxDatagramBytes: 1452, ackDelayExponent: 10 },
      observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, logs.qlog)
    }).exchange()
    pair.advance(2_000_000)
    pair.client.close(42, "enough", pair.nowMicros)
    pair.exchange().advance(10_000_000)
    for (const role of ["client", "server"] as const) {
      const events = logs.of(role)
      const data = (name: string) =>
        events.filter((event) => event.name === `quic:${name}`).map((e) => e.data)
      expect(data("version_information")).toEqual([
        {
          client_versions: ["00000001", "6b3343cf"],
          server_versions: ["6b3343cf", "00000001"],
          chosen_version: "6b3343cf"
        }
      ])
      const exponents = { local: role === "client" ? 10 : 3, remote: role === "client" ? 3 : 10 }
      expect(data("parameters_set")).toEqual([
        expect.objectContaining({ initiator: "local", ack_delay_exponent: exponents.local }),
        expect.objectContaining({ initiator: "remote", ack_delay_exponent: exponents.remote }),
        { tls_cipher: "TLS_AES_128_GCM_SHA256" }
      ])
      expect(data("key_updated").map(({ key_type }) => key_type)).toEqual(
        expect.arrayContaining(["client_1rtt_secret", "server_1rtt_secret", "client_initial_secret"])
      )
      expect(data("key_discarded").length).toBe(4)
      expect(data("mtu_updated").at(-1)).toEqual({ old: 1200, new: 1452 })
      expect(data("connection_closed")).toEqual([
        {
          initiator: role === "client" ? "local" : "remote",
          application_error: "unknown",
          error_code: 42,
          reason: "enough",
          trigger: "application"
        }
      ])
      const states = data("connection_state_updated").map((each) => each.new)
      expect(states.slice(-3)).toEqual([
        "handshake_confirmed",
        role === "client" ? "closing" : "draining",
        "closed"
      ])
      if (role === "client") expect(events[0].name).toBe("quic:connection_started")
      const sent = data("packet_sent")
      expect(sent.some(({ is_mtu_probe_packet }) => is_mtu_probe_packet === true)).toBe(true)
      expect(sent.at(0)!.header).toMatchObject({ packet_type: "initial", dcil: 8 })
      // about one window per round trip, in bits per second
      const metrics = Object.assign({}, ...data("recovery_metrics_updated"))
      const windowRate = (8e6 * metrics.congestion_window) / Math.max(1_000 * metrics.smoothed_rtt, 1)
      expect(metrics.pacing_rate / windowRate).toBeGreaterThan(1)
      expect(metrics.pacing_rate / windowRate).toBeLessThan(2.1)
    }
  })

  it("is not started for packets outside a connection", () => {
    const logs = new Logs()
    const pair = new CorePair({
      observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, logs.qlog),
      between: (datagram, to) => {
        const damaged = datagram.slice()
        damaged[500] ^= 1
        return to === "server" ? damaged : undefined
      }
    }).exchange()
    expect(pair.server).toBeUndefined()
    expect([...logs.files.keys()].map((name) => name.split("_")[1])).toEqual(["client"])
  })

  it("is a file in the directory that QLOGDIR names", () => {
    const directory = mkdtempSync(join(tmpdir(), "qlog-"))
    try {
      const qlog = NodeQlog.toDirectory(join(directory, "logs"))
      new CorePair({
        observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, qlog)
      }).exchange()
      const files = readdirSync(join(directory, "logs"))
      expect(files.map((name) => name.replace(/^[0-9a-f]{16}_/, "")).sort()).toEqual([
        "client.sqlog",
        "server.sqlog"
      ])
      for (const name of files) {
        const [header, ...events] = readRecords(readFileSync(join(directory, "logs", name), "utf8"))
        checkHeader(header, name.includes("client") ? "client" : "server")
        for (const event of events) checkEvent(event)
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
