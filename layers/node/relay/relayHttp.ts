/** The HTTP server of a relay: what is asked before a WebSocket is one of the hub's. */
import * as Http from "node:http"
import * as Https from "node:https"
import type { Duplex } from "node:stream"
import type { TLSSocket } from "node:tls"
import { type WebSocket, WebSocketServer } from "@effect/platform-node/NodeWS"
import * as Redacted from "effect/Redacted"
import type { CryptoSuiteShape } from "../../../src/capability/CryptoSuite.ts"
import * as Identity from "../../../src/Identity.ts"
import { MAX_FRAME_BYTES, RELAY_PATH, RELAY_PROTOCOL } from "../../../src/relay/frames.ts"
import { AUTH_HEADER, type Exporter, verifyAuthHeader } from "../../../src/relay/handshake.ts"
import type { RelayHub } from "../../../src/relay/RelayHub.ts"
import { SourceCounts } from "../../../src/relay/SourceCounts.ts"
import { type SocketAddress, socketAddress } from "../../../src/wire/SocketAddress.ts"
import { type HubTimer, nowMicros } from "./HubTimer.ts"
import { WebSocketCarrier } from "./WebSocketCarrier.ts"

/** How long a stranger's TLS handshake, and its request, may take. */
const REQUEST_MILLIS = 10_000
const MAX_HEADER_BYTES = 8192
/** A frame in pieces: each piece costs memory until the last is there. */
const MAX_FRAGMENTS = 64

const settings = {
  headersTimeout: REQUEST_MILLIS,
  requestTimeout: REQUEST_MILLIS,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: MAX_HEADER_BYTES,
  noDelay: true
}

/** With an identity over TLS, whose exporter needs version 1.3 to be safe. RFC 8446 §7.5, RFC 7627 */
export const createHttpServer = (identity: Identity.Identity | undefined): Http.Server =>
  identity === undefined
    ? Http.createServer(settings)
    : Https.createServer({
        ...settings,
        cert: Identity.publicPem(identity),
        key: Redacted.value(Identity.privateKeyPem(identity)),
        minVersion: "TLSv1.3",
        handshakeTimeout: REQUEST_MILLIS,
        ALPNProtocols: ["http/1.1"]
      })

const text = (status: number, body: string): string =>
  `HTTP/1.1 ${status} ${Http.STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** Anybody may ask whether the relay is there, browsers too. */
const answer = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
  const isPing = request.method === "GET" && request.url === "/ping"
  response.setHeader("Access-Control-Allow-Origin", "*")
  response.statusCode = isPing ? 200 : request.url === RELAY_PATH ? 426 : 404
  response.end()
}

const exporterOf =
  (socket: Duplex): Exporter =>
  (label, context, length) => {
    const { exportKeyingMaterial } = socket as Partial<TLSSocket>
    if (exportKeyingMaterial === undefined) return undefined
    try {
      return exportKeyingMaterial.call(socket, length, label, Buffer.from(context))
    } catch {
      // the connection has just ended
      return undefined
    }
  }

const offered = (request: Http.IncomingMessage): ReadonlyArray<string> =>
  (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim())

/** Hands the frames of WebSockets to a hub. */
export class RelayUpgrades {
  private readonly hub: RelayHub
  private readonly crypto: CryptoSuiteShape
  private readonly timer: HubTimer
  private readonly sockets = new SourceCounts()
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    maxFragments: MAX_FRAGMENTS,
    handleProtocols: () => RELAY_PROTOCOL
  })

  constructor(hub: RelayHub, crypto: CryptoSuiteShape, timer: HubTimer) {
    this.hub = hub
    this.crypto = crypto
    this.timer = timer
  }

  attach(server: Http.Server): void {
    const { clients, pending, connectionsPerSource, pendingPerSource } = this.hub.limits
    // those that are being closed count too
    server.maxConnections = 2 * (clients + pending)
    server.on("connection", (socket: Duplex) => {
      const source = remoteOf(socket)?.host ?? ""
      if (this.sockets.of(source) >= 2 * (connectionsPerSource + pendingPerSource)) {
        this.hub.counters.refused++
        socket.destroy()
        return
      }
      this.sockets.add(source)
      socket.once("close", () => this.sockets.remove(source))
    })
    server.on("request", answer)
    server.on("upgrade", this.onUpgrade)
    // an answer to what is no HTTP is not worth its bytes
    server.on("clientError", (_, socket: Duplex) => socket.destroy())
  }

  private readonly onUpgrade = (request: Http.IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => socket.destroy())
    const remote = remoteOf(socket)
    if (remote === undefined) socket.destroy()
    else if (request.url !== RELAY_PATH) socket.end(text(404, ""))
    else if (!offered(request).includes(RELAY_PROTOCOL))
      socket.end(text(400, `this relay speaks ${RELAY_PROTOCOL}\n`))
    else if (!this.hub.mayAccept(remote)) socket.end(text(503, ""))
    else
      this.webSockets.handleUpgrade(request, socket, head, (ws) => this.accept(ws, request, socket, remote))
  }

  private accept(
    webSocket: WebSocket,
    request: Http.IncomingMessage,
    socket: Duplex,
    remote: SocketAddress
  ): void {
    const given = request.headers[AUTH_HEADER]
    const value = typeof given === "string" ? given : undefined
    const verdict = verifyAuthHeader(this.crypto, value, exporterOf(socket))
    // an error that nobody listens to would end the process; a close follows it
    webSocket.on("error", () => member?.onMalformed("not a WebSocket frame that is taken"))
    const member = this.hub.accept(new WebSocketCarrier(webSocket, socket), remote, verdict, nowMicros())
    webSocket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) member.onFrame(data, 0, data.length, nowMicros())
      else member.onMalformed("a text message")
      this.timer.update()
    })
    webSocket.on("close", () => member.onClosed())
    socket.on("drain", () => member.onWritable())
    this.timer.update()
  }
}

const remoteOf = (socket: Duplex): SocketAddress | undefined => {
  const { remoteAddress, remotePort } = socket as Partial<TLSSocket>
  return remoteAddress === undefined ? undefined : socketAddress(remoteAddress, remotePort ?? 0)
}
