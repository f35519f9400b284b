/** A client of a relay that does what a test says, also what no client should. */
import type { Duplex } from "node:stream"
import { connect as connectTls } from "node:tls"
import { WebSocket } from "@effect/platform-node/NodeWS"
import type { RelayIdentity } from "../../src/capability/RelayPort.ts"
import * as Frames from "../../src/relay/frames.ts"
import {
  AUTH_HEADER,
  authHeader,
  EXPORTED_BYTES,
  EXPORTER_LABEL,
  signChallenge
} from "../../src/relay/handshake.ts"

export class RawClient {
  readonly webSocket: WebSocket
  private readonly frames: Array<Uint8Array> = []
  private readonly waiting = new Set<() => void>()
  closed: { readonly code: number; readonly reason: string } | undefined

  constructor(webSocket: WebSocket) {
    this.webSocket = webSocket
    const wake = () => {
      for (const look of this.waiting) look()
    }
    webSocket.on("message", (data: Buffer) => {
      this.frames.push(new Uint8Array(data))
      wake()
    })
    webSocket.on("error", () => {})
    webSocket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() }
      wake()
    })
  }

  private async until<A>(look: () => A | undefined): Promise<A> {
    return new Promise((resolve) => {
      const check = () => {
        const found = look()
        if (found === undefined) return
        this.waiting.delete(check)
        resolve(found)
      }
      this.waiting.add(check)
      check()
    })
  }

  /** The next frame; fails when the connection ends before. */
  async next(): Promise<Uint8Array> {
    const frame = await this.until(() => this.frames.shift() ?? (this.closed ? "closed" : undefined))
    if (frame === "closed") throw new Error(`closed: ${this.closed!.code} ${this.closed!.reason}`)
    return frame as Uint8Array
  }

  /** The next frame of a type; others are dropped. */
  async nextOf(type: number): Promise<Uint8Array> {
    for (;;) {
      const frame = await this.next()
      if (frame[0] === type) return frame
    }
  }

  end(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.until(() => this.closed)
  }

  send(frame: Uint8Array | string): void {
    this.webSocket.send(frame)
  }

  sendDatagram(to: RelayIdentity, body: Uint8Array): void {
    this.send(Frames.encodeDatagram(Frames.RelayFrameType.clientDatagram, to.publicKey, 0, body))
  }
}

const socketUrl = (url: string): string => {
  const target = new URL("/relay", url)
  target.protocol = target.protocol === "https:" ? "wss:" : "ws:"
  return target.href
}

/** Connects and says nothing. */
export const connectRaw = (url: string, headers: Record<string, string> = {}): RawClient =>
  new RawClient(new WebSocket(socketUrl(url), Frames.RELAY_PROTOCOL, { headers, rejectUnauthorized: false }))

/** Answers the challenge. */
export const authenticate = async (client: RawClient, identity: RelayIdentity): Promise<Uint8Array> => {
  const challenge = (await client.nextOf(Frames.RelayFrameType.serverChallenge)).slice(1)
  client.send(Frames.encodeClientAuth(identity.publicKey, signChallenge(identity, challenge)))
  return client.next()
}

export const join = async (url: string, identity: RelayIdentity): Promise<RawClient> => {
  const client = connectRaw(url)
  const [type] = await authenticate(client, identity)
  if (type !== Frames.RelayFrameType.serverConfirmsAuth) throw new Error(`not let in: ${type}`)
  return client
}

/** Connects over TLS with the header; `change` may replace it. */
export const connectWithHeader = async (
  url: string,
  identity: RelayIdentity,
  change: (value: string) => string = (value) => value
): Promise<{ readonly client: RawClient; readonly header: string }> => {
  const { hostname, port } = new URL(url)
  const socket = connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false })
  await new Promise((resolve) => socket.once("secureConnect", resolve))
  const exported = socket.exportKeyingMaterial(
    EXPORTED_BYTES,
    EXPORTER_LABEL,
    Buffer.from(identity.publicKey)
  )
  const header = authHeader(identity, exported)
  const webSocket = new WebSocket(socketUrl(url), Frames.RELAY_PROTOCOL, {
    headers: { [AUTH_HEADER]: change(header) },
    createConnection: () => socket as unknown as Duplex as never
  })
  return { client: new RawClient(webSocket), header }
}
