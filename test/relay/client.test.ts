/** The client of a relay against one that does what the test says: authentication, datagrams, and every way a link ends. */
import { createServer, type Server } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo } from "node:net"
import type { TLSSocket } from "node:tls"
import { type WebSocket, WebSocketServer } from "@effect/platform-node/NodeWS"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import * as NodeEntropy from "../../layers/node/NodeEntropy.ts"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import * as NodeRelayPort from "../../layers/node/relay/NodeRelayPort.ts"
import { CryptoSuite, SignatureScheme } from "../../src/capability/CryptoSuite.ts"
import { type RelayIdentity, type RelayLink, RelayPort } from "../../src/capability/RelayPort.ts"
import { DialAddress, Identity } from "../../src/index.ts"
import {
  encodeBatch,
  encodeChallenge,
  encodeConfirmsAuth,
  encodeDatagram,
  encodeDeniesAuth,
  encodeGone,
  encodePing,
  encodeRestarting,
  encodeStatus,
  ReceivedRelayFrame,
  RELAY_PROTOCOL,
  RelayFrameType,
  RelayStatus
} from "../../src/relay/frames.ts"
import { AUTH_HEADER, verifyAuthHeader, verifyChallenge } from "../../src/relay/handshake.ts"

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value)
const plain = (data: unknown) => new Uint8Array(data as Buffer)

/** Serves every client with `onClient`; its URL. */
const relayAt = (
  server: Server,
  scheme: string,
  onClient: (webSocket: WebSocket, header: string | undefined, socket: TLSSocket) => void
) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly webSockets: WebSocketServer }>((resume) => {
      const webSockets = new WebSocketServer({
        server,
        path: "/relay",
        handleProtocols: (offered) => (offered.has(RELAY_PROTOCOL) ? RELAY_PROTOCOL : false)
      })
      webSockets.on("connection", (webSocket, request) => {
        const header = request.headers[AUTH_HEADER]
        onClient(webSocket, typeof header === "string" ? header : undefined, request.socket as TLSSocket)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ url: `${scheme}://127.0.0.1:${port}/`, webSockets }))
      })
    }),
    ({ webSockets }) =>
      Effect.sync(() => {
        for (const client of webSockets.clients) client.terminate()
        server.closeAllConnections()
        server.close()
      })
  )

const identity = Effect.gen(function* () {
  const suite = yield* CryptoSuite
  const made = yield* Effect.orDie(Identity.generateRawKey)
  const key = suite.signingKey(Redacted.value(made.privateKey))!
  const publicKey = DialAddress.publicKeyOf(made)!
  const sign = (message: Uint8Array) => key.sign(SignatureScheme.ed25519, message)
  return { publicKey, sign } satisfies RelayIdentity
}).pipe(Effect.provide([NodeCryptoSuite.layer, NodeEntropy.layer]))

const suite = Effect.runSync(Effect.provide(CryptoSuite, NodeCryptoSuite.layer))

const connect = (url: string, options: NodeRelayPort.NodeRelayOptions = {}) =>
  Effect.gen(function* () {
    const { connect } = yield* RelayPort
    const who = yield* identity
    return { who, link: yield* connect(url, who) }
  }).pipe(Effect.provide(NodeRelayPort.layerWith(options)))

/** Lets everybody in, and then does `then`. */
const welcoming = (then: (webSocket: WebSocket) => void) => (webSocket: WebSocket) => {
  const challenge = bytes(16, 5)
  webSocket.send(encodeChallenge(challenge))
  webSocket.once("message", (data) => {
    const answer = plain(data)
    const frame = new ReceivedRelayFrame()
    if (!frame.parse(answer) || frame.type !== RelayFrameType.clientAuth) throw new Error("no ClientAuth")
    const key = answer.subarray(frame.headStart, frame.headStart + 32)
    const signature = answer.subarray(frame.signatureStart, frame.signatureStart + 64)
    if (!verifyChallenge(suite, key, challenge, signature)) throw new Error("not signed")
    webSocket.send(encodeConfirmsAuth())
    then(webSocket)
  })
}

const itLive = (name: string, program: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it(name, () => Effect.runPromise(Effect.scoped(Effect.suspend(program))))

/** What a link tells. */
const heard = (link: RelayLink) => {
  const datagrams: Array<unknown> = []
  const gone: Array<Uint8Array> = []
  link.listen({
    onDatagram: (from, ecn, body) => datagrams.push([new Uint8Array(from), ecn, new Uint8Array(body)]),
    onGone: (key) => gone.push(new Uint8Array(key)),
    onWritable: () => {}
  })
  return { datagrams, gone }
}

const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.delay(until(holds), 10)))

describe("a client of a relay", () => {
  itLive("answers the challenge, and carries datagrams both ways, those that were early too", () =>
    Effect.gen(function* () {
      const received: Array<Uint8Array> = []
      const { url } = yield* relayAt(
        createServer(),
        "http",
        welcoming((webSocket) => {
          webSocket.on("message", (data) => received.push(plain(data)))
          webSocket.send(encodeDatagram(RelayFrameType.relayDatagram, bytes(32, 7), 3, bytes(9)))
          webSocket.send(
            encodeBatch(RelayFrameType.relayBatch, bytes(32, 8), 0, 4, Uint8Array.of(1, 1, 1, 1, 2, 2))
          )
          webSocket.send(encodeGone(bytes(32, 9)))
          webSocket.send(encodePing(bytes(8, 6)))
        })
      )
      const { link } = yield* connect(url)
      yield* until(() => received.length >= 2)
      const { datagrams, gone } = heard(link)
      yield* until(() => gone.length > 0)
      expect(gone).toEqual([bytes(32, 9)])
      expect(datagrams).toEqual([
        [bytes(32, 7), 3, bytes(9)],
        [bytes(32, 8), 0, bytes(4)],
        [bytes(32, 8), 0, bytes(2, 2)]
      ])
      link.send(bytes(32, 4), 2, bytes(20, 3), 5, 15)
      link.send(bytes(32, 4), 2, bytes(70_000), 0, 70_000)
      yield* until(() => received.length >= 3)
      const types = received.map((each) => each[0])
      expect([...types].sort()).toEqual(
        [RelayFrameType.clientDatagram, RelayFrameType.ping, RelayFrameType.pong].sort()
      )
      expect(received.find(([type]) => type === RelayFrameType.pong)).toEqual(
        Uint8Array.of(RelayFrameType.pong, ...bytes(8, 6))
      )
      expect(received.at(-1)).toEqual(
        encodeDatagram(RelayFrameType.clientDatagram, bytes(32, 4), 2, bytes(10, 3))
      )
      expect(link.counters).toEqual({
        sent: 1,
        sentBytes: 10,
        received: 3,
        receivedBytes: 15,
        sendDropped: 1
      })
    })
  )

  itLive("proves its key in the first request where the relay has a certificate", () =>
    Effect.gen(function* () {
      const certificate = yield* Effect.orDie(NodeIdentity.developmentCertificate())
      const pem = {
        cert: Identity.publicPem(certificate),
        key: Redacted.value(Identity.privateKeyPem(certificate))
      }
      const verdicts: Array<string> = []
      const keys: Array<Uint8Array> = []
      const { url } = yield* relayAt(createTlsServer(pem), "https", (webSocket, header, socket) => {
        const verdict = verifyAuthHeader(suite, header, (label, context, length) =>
          socket.exportKeyingMaterial(length, label, Buffer.from(context))
        )
        verdicts.push(verdict._tag)
        if (verdict._tag === "proven") keys.push(verdict.publicKey)
        webSocket.send(encodeConfirmsAuth())
      })
      const { who } = yield* connect(url, { authorities: [pem.cert] })
      expect(verdicts).toEqual(["proven"])
      expect(keys).toEqual([who.publicKey])
      const error = yield* Effect.flip(connect(url))
      expect(error.reason).toBe("Unreachable")
      expect(error.message).toMatch(/certificate/)
    })
  )

  const endings: ReadonlyArray<readonly [string, (webSocket: WebSocket) => void, object]> = [
    [
      "the relay restarts",
      (webSocket) => webSocket.send(encodeRestarting(700, 9_000)),
      { _tag: "Restarting", reconnectInMillis: 700, tryForMillis: 9_000 }
    ],
    [
      "another has the same key",
      (webSocket) => webSocket.send(encodeStatus(RelayStatus.replaced)),
      { _tag: "Replaced" }
    ],
    ["the relay is gone", (webSocket) => webSocket.terminate(), { _tag: "Lost" }],
    [
      "it is told so",
      (webSocket) => webSocket.close(1011, "\u001b[2Jbye"),
      { _tag: "Lost", problem: "\ufffd[2Jbye" }
    ],
    [
      "it gets what is no frame",
      (webSocket) => webSocket.send(Uint8Array.of(13)),
      { _tag: "Lost", problem: "it sent what is no frame" }
    ],
    [
      "it gets text",
      (webSocket) => webSocket.send("hello"),
      { _tag: "Lost", problem: "it sent what is no frame" }
    ],
    ["it gets a frame that is too large", (webSocket) => webSocket.send(bytes(70_000)), { _tag: "Lost" }]
  ]
  for (const [name, end, expected] of endings)
    itLive(`says why its link has ended when ${name}`, () =>
      Effect.gen(function* () {
        const { url } = yield* relayAt(createServer(), "http", welcoming(end))
        const { link } = yield* connect(url)
        heard(link)
        expect(yield* link.closed).toMatchObject(expected)
        link.send(bytes(32), 0, bytes(9), 0, 9)
        expect(link.counters.sendDropped).toBe(1)
      })
    )

  itLive("ignores frames and states that it does not know", () =>
    Effect.gen(function* () {
      const { url } = yield* relayAt(
        createServer(),
        "http",
        welcoming((webSocket) => {
          webSocket.send(Uint8Array.of(60, 1, 2))
          webSocket.send(encodeStatus(200))
          webSocket.send(encodeStatus(RelayStatus.healthy))
          webSocket.send(encodeGone(bytes(32)))
        })
      )
      const { link } = yield* connect(url)
      const { gone } = heard(link)
      yield* until(() => gone.length === 1)
      link.send(bytes(32), 0, bytes(9), 0, 9)
      expect(link.counters.sent).toBe(1)
    })
  )

  itLive("says why it was not let in", () =>
    Effect.gen(function* () {
      const problemOf = (onClient: (webSocket: WebSocket) => void) =>
        Effect.gen(function* () {
          const { url } = yield* relayAt(createServer(), "http", onClient)
          const { reason, message } = yield* Effect.flip(connect(url, { connectTimeout: 1_000 }))
          return `${reason}: ${message}`
        })
      expect(yield* problemOf((w) => w.send(encodeDeniesAuth("not\u0007 you")))).toBe("Denied: not\ufffd you")
      expect(yield* problemOf((w) => w.send(encodeStatus(0)))).toMatch(/^Protocol: a frame of type 13/)
      expect(yield* problemOf((w) => w.terminate())).toMatch(/^Unreachable: /)
      expect(yield* problemOf(() => {})).toBe("Unreachable: it does not answer in time")
      const answering = createServer((_, response) => response.writeHead(403).end())
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void answering.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => void answering.close())
      )
      const { port } = answering.address() as AddressInfo
      const refused = yield* Effect.flip(connect(`http://127.0.0.1:${port}/`))
      expect(refused.reason).toBe("Denied")
      const nobody = yield* Effect.flip(connect("http://127.0.0.1:9/"))
      expect(nobody.reason).toBe("Unreachable")
    })
  )

  itLive("leaves no connection when it is interrupted, or its scope closes", () =>
    Effect.gen(function* () {
      let open = 0
      const { url } = yield* relayAt(createServer(), "http", (webSocket) => {
        open++
        webSocket.on("close", () => open--)
        if (open === 1) welcoming(() => {})(webSocket)
      })
      yield* Effect.scoped(
        Effect.andThen(
          connect(url),
          Effect.sync(() => expect(open).toBe(1))
        )
      )
      yield* until(() => open === 0)
      open = 1
      const late = yield* Effect.timeoutOption(Effect.scoped(connect(url)), 200)
      expect(late._tag).toBe("None")
      yield* until(() => open === 1)
    })
  )

  itLive(
    "is congested when the relay does not read, drops what is beyond, and says when it reads again",
    () =>
      Effect.gen(function* () {
        let reading: WebSocket | undefined
        const { url } = yield* relayAt(
          createServer(),
          "http",
          welcoming((webSocket) => {
            reading = webSocket
            webSocket.pause()
          })
        )
        const { link } = yield* connect(url)
        let writable = 0
        link.listen({ onDatagram: () => {}, onGone: () => {}, onWritable: () => void writable++ })
        yield* until(() => reading !== undefined)
        const datagram = bytes(60_000)
        for (let i = 0; i < 2_000 && link.counters.sendDropped === 0; i++) {
          link.send(bytes(32), 0, datagram, 0, datagram.length)
          if (i % 10 === 0) yield* Effect.sleep(1)
        }
        expect(link.congested).toBe(true)
        expect(link.counters.sendDropped).toBeGreaterThan(0)
        reading!.resume()
        yield* until(() => writable > 0)
        expect(link.congested).toBe(false)
      })
  )
})
