/** The relay as it runs: over sockets and TLS, with clients that behave and clients that do not. */
import { connect as connectTcp } from "node:net"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { layer, NodeIdentity, RelayServer } from "../../layers/node/index.ts"
import * as Frames from "../../src/relay/frames.ts"
import { testIdentity } from "./identities.ts"
import { authenticate, connectRaw, connectWithHeader, join } from "./rawClient.ts"

const { RelayFrameType, RelayStatus } = Frames
const [alice, bob, carol] = [1, 2, 3].map(testIdentity)
const local = { host: "127.0.0.1", port: 0 }

type Relay = RelayServer.RelayServerShape
const statistics = (relay: Relay): RelayServer.RelayStatistics => Effect.runSync(relay.statistics)

/** Runs a relay for the time of `use`. */
const withRelay = (
  options: RelayServer.RelayServerOptions,
  use: (relay: Relay) => Promise<void>
): Promise<void> =>
  Effect.gen(function* () {
    const relay = yield* RelayServer.make({ ...local, ...options })
    yield* Effect.promise(() => use(relay))
  }).pipe(Effect.scoped, Effect.provide(layer), Effect.runPromise)

const withTls = async (use: (relay: Relay) => Promise<void>): Promise<void> => {
  const identity = await Effect.runPromise(NodeIdentity.developmentCertificate())
  await withRelay({ identity, discovery: { port: 0 } }, use)
}

/** That `relay` still carries what one sends to another. */
const carries = async (relay: Relay): Promise<void> => {
  const [from, to] = await Promise.all([join(relay.url, carol), join(relay.url, bob)])
  const body = Uint8Array.of(1, 2, 3)
  from.sendDatagram(bob, body)
  const expected = Frames.encodeDatagram(RelayFrameType.relayDatagram, carol.publicKey, 0, body)
  expect(await to.nextOf(RelayFrameType.relayDatagram)).toEqual(expected)
  for (const client of [from, to]) client.webSocket.close()
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe("the key", () => {
  it("is proved by a challenge, over plain HTTP", () => withRelay({}, carries))

  it("is proved by the request alone, over TLS", () =>
    withTls(async (relay) => {
      const { client } = await connectWithHeader(relay.url, alice)
      expect((await client.next())[0]).toBe(RelayFrameType.serverConfirmsAuth)
      expect(statistics(relay).clients).toBe(1)
      await carries(relay)
    }))

  it("is not proved by a header replayed on another TLS connection: a challenge follows", () =>
    withTls(async (relay) => {
      const { header } = await connectWithHeader(relay.url, alice)
      const { client } = await connectWithHeader(relay.url, carol, () => header)
      expect((await client.next())[0]).toBe(RelayFrameType.serverChallenge)
    }))

  it("is not proved by a header that claims another's: denied", () =>
    withTls(async (relay) => {
      const claims = { publicKey: alice.publicKey, sign: carol.sign }
      const { client } = await connectWithHeader(relay.url, claims)
      expect((await client.next())[0]).toBe(RelayFrameType.serverDeniesAuth)
      expect((await client.end()).code).toBe(1008)
    }))

  it("is not proved by a wrong signature, and has to be on the list", () =>
    withRelay({ allow: [bob.publicKey, carol.publicKey] }, async (relay) => {
      const claims = connectRaw(relay.url)
      const answer = await authenticate(claims, { publicKey: bob.publicKey, sign: alice.sign })
      expect(answer[0]).toBe(RelayFrameType.serverDeniesAuth)
      const stranger = await authenticate(connectRaw(relay.url), alice)
      expect(stranger[0]).toBe(RelayFrameType.serverDeniesAuth)
      await carries(relay)
      expect(statistics(relay).denied).toBe(2)
    }))
})

describe("what no client sends", () => {
  it("closes that connection alone: text, frames too long, in too many pieces, or none", () =>
    withRelay({}, async (relay) => {
      const wrong: ReadonlyArray<(socket: Awaited<ReturnType<typeof join>>["webSocket"]) => void> = [
        (socket) => socket.send("hello"),
        (socket) => socket.send(new Uint8Array(Frames.MAX_FRAME_BYTES + 1).fill(4)),
        (socket) => {
          for (let i = 0; i < 1000; i++) socket.send(Uint8Array.of(4), { fin: false })
        },
        (socket) => socket.send(Uint8Array.of(4, 1, 2, 3)),
        (socket) => socket.send(Frames.encodeStatus(0))
      ]
      for (const send of wrong) {
        const client = await join(relay.url, alice)
        send(client.webSocket)
        await client.end()
      }
      expect(statistics(relay).malformed).toBe(wrong.length)
      await carries(relay)
    }))

  it("gets no WebSocket: another path, another protocol, no HTTP", () =>
    withRelay({}, async (relay) => {
      const { port } = relay.address
      const asks = (path: string, protocol: string): Promise<string> =>
        new Promise((resolve) => {
          let answer = ""
          const socket = connectTcp(port, "127.0.0.1")
          socket.on("data", (bytes) => (answer += bytes)).on("close", () => resolve(answer))
          const headers =
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
          socket.write(
            `GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`
          )
        })
      expect(await asks("/other", Frames.RELAY_PROTOCOL)).toContain("404 Not Found")
      expect(await asks("/relay", "iroh-relay-v1")).toContain("400 Bad Request")
      const noise = connectTcp(port, "127.0.0.1")
      noise.on("error", () => {})
      noise.write(new Uint8Array(20_000).fill(0xff))
      await new Promise((resolve) => noise.once("close", resolve))
      await carries(relay)
    }))
})

describe("clients that cost too much", () => {
  it("who floods is told, and slowed; others are served meanwhile", () =>
    withRelay({ limits: { bytesPerSecond: 100_000, burstBytes: 131_072 } }, async (relay) => {
      const flooder = await join(relay.url, alice)
      const victim = await join(relay.url, testIdentity(9))
      const body = new Uint8Array(1000)
      for (let i = 0; i < 5000; i++) flooder.sendDatagram(testIdentity(9), body)
      const status = await flooder.nextOf(RelayFrameType.status)
      expect(status).toEqual(Frames.encodeStatus(RelayStatus.rateLimited))
      await carries(relay)
      const { forwardedBytes } = statistics(relay)
      expect(forwardedBytes).toBeLessThan(2_000_000)
      for (const client of [flooder, victim]) client.webSocket.terminate()
    }))

  it("who reads nothing has a bounded queue; the rest is dropped, and its sender goes on", () =>
    withRelay({ limits: { queuedBytes: 131_072 } }, async (relay) => {
      const sender = await join(relay.url, alice)
      const slow = await join(relay.url, testIdentity(9))
      slow.webSocket.pause()
      const body = new Uint8Array(60_000)
      // sockets hold some megabytes before anything has to wait
      while (statistics(relay).droppedFull < 50) {
        for (let i = 0; i < 20; i++) sender.sendDatagram(testIdentity(9), body)
        await until(() => sender.webSocket.bufferedAmount === 0)
      }
      expect(statistics(relay).queuedBytes).toBeLessThanOrEqual(131_072)
      expect(statistics(relay).queuedBytes).toBeGreaterThan(0)
      await carries(relay)
      // what has waited arrives once it reads again
      slow.webSocket.resume()
      await until(() => statistics(relay).queuedBytes === 0)
      await slow.nextOf(RelayFrameType.relayDatagram)
      for (const client of [sender, slow]) client.webSocket.terminate()
    }))

  it("strangers that prove nothing have few places of one address, and a time", () =>
    withRelay({ limits: { pendingPerSource: 20, authTimeout: 2000 } }, async (relay) => {
      const strangers = Array.from({ length: 300 }, () => connectRaw(relay.url))
      await until(() => statistics(relay).accepted + statistics(relay).refused >= 300)
      expect(statistics(relay).refused).toBeGreaterThanOrEqual(280)
      expect(statistics(relay).pendingConnections).toBeLessThanOrEqual(20)
      await Promise.all(strangers.map((stranger) => stranger.end()))
      expect(statistics(relay)).toMatchObject({ connections: 0, pendingConnections: 0 })
      expect(statistics(relay).expired).toBeGreaterThan(0)
      await carries(relay)
    }))

  it("sockets that do not even ask are bounded for one address", () =>
    withRelay({ limits: { connectionsPerSource: 10, pendingPerSource: 10 } }, async (relay) => {
      let ended = 0
      const sockets = Array.from({ length: 200 }, () => connectTcp(relay.address.port, "127.0.0.1"))
      for (const socket of sockets)
        socket
          .on("error", () => {})
          .on("close", () => ended++)
          .resume()
      await until(() => ended >= 160)
      expect(statistics(relay).refused).toBe(160)
      for (const socket of sockets) socket.destroy()
      await until(() => ended === 200)
      await carries(relay)
    }))
})

it("who leaves is gone for those it has sent to; a second connection replaces the first", () =>
  withRelay({}, async (relay) => {
    const [first, other] = await Promise.all([join(relay.url, alice), join(relay.url, bob)])
    first.sendDatagram(bob, Uint8Array.of(1))
    await other.nextOf(RelayFrameType.relayDatagram)
    const second = await join(relay.url, alice)
    expect(await first.next()).toEqual(Frames.encodeStatus(RelayStatus.replaced))
    other.sendDatagram(alice, Uint8Array.of(2))
    await second.nextOf(RelayFrameType.relayDatagram)
    for (const client of [first, second]) client.webSocket.terminate()
    expect(await other.nextOf(RelayFrameType.endpointGone)).toEqual(Frames.encodeGone(alice.publicKey))
  }))

it("a drain tells clients when to come back, waits for them, and cuts off who stays", () =>
  withRelay({}, async (relay) => {
    const [leaves, stays] = await Promise.all([join(relay.url, alice), join(relay.url, bob)])
    void leaves.nextOf(RelayFrameType.restarting).then(() => leaves.webSocket.close())
    const draining = Effect.runPromise(relay.drain({ reconnectIn: 7, tryFor: 8, deadline: 500 }))
    expect(await stays.next()).toEqual(Frames.encodeRestarting(7, 8))
    expect(await draining).toEqual({ left: 1, cutOff: 1 })
    expect((await stays.end()).code).toBe(1001)
  }))

it("an option that is wrong is named", async () => {
  const wrong: ReadonlyArray<readonly [object, string]> = [
    [{ port: 70_000 }, "port"],
    [{ prot: 1 }, "prot"],
    [{ limits: { clients: 0 } }, "limits.clients"],
    [{ allow: [new Uint8Array(31)] }, "allow.0"],
    [{ allow: 5 }, "allow"],
    [{ url: "ftp://a" }, "url"],
    [{ identity: {} }, "identity"],
    [{ discovery: { port: 0 } }, "discovery.identity"],
    [{ discovery: 1 }, "discovery"]
  ]
  for (const [options, field] of wrong) {
    const made = RelayServer.make(options as RelayServer.RelayServerOptions)
    const error = await Effect.runPromise(made.pipe(Effect.flip, Effect.scoped, Effect.provide(layer)))
    expect(error.reason).toMatchObject({ _tag: "InvalidOption", field })
  }
})

it("a port in use is named", () =>
  withRelay({}, async ({ address: { port } }) => {
    const again = RelayServer.make({ host: "127.0.0.1", port })
    const { reason } = await Effect.runPromise(again.pipe(Effect.flip, Effect.scoped, Effect.provide(layer)))
    expect(reason).toMatchObject({ _tag: "BindFailed", address: `127.0.0.1:${port}` })
    expect(reason.message).toContain("in use")
  }))
