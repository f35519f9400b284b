/**
 * Relays over WebSockets: iroh's relay protocol, version 2, so that iroh's relays can be used too.
 *
 * @since 0.1.0
 */
import * as Net from "node:net"
import * as Tls from "node:tls"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  CertificateAlert,
  CertificateRejected,
  type CertificateVerifierShape
} from "../../../src/capability/CertificateVerifier.ts"
import {
  RelayError,
  type RelayIdentity,
  RelayPort,
  type RelayPortShape
} from "../../../src/capability/RelayPort.ts"
import { checkedMillis } from "../../../src/durationOption.ts"
import { urlHost } from "../../../src/internal/relayUrl.ts"
import { invalidOption, type QuicError } from "../../../src/QuicError.ts"
import { RELAY_PATH } from "../../../src/relay/frames.ts"
import { AUTH_HEADER, authHeader, EXPORTED_BYTES, EXPORTER_LABEL } from "../../../src/relay/handshake.ts"
import * as NodeCertificateVerifier from "../NodeCertificateVerifier.ts"
import { RelaySession } from "./RelaySession.ts"

/**
 * How relays are reached, and what is trusted where they answer address discovery.
 *
 * **Details**
 *
 * Relays of `http` URLs are for development: neither they nor their address discovery are authenticated.
 *
 * @category options
 * @since 0.1.0
 */
export interface NodeRelayOptions {
  /** PEM text, or an array of such, of the authorities that relays are trusted by. Default those that Node and the system trust. */
  readonly authorities?: string | ReadonlyArray<string>
  /** How long connecting and authenticating may take. 1 milli to 1 day, default 10 seconds. */
  readonly connectTimeout?: Duration.Input
}

const DAY_MILLIS = 86_400_000
const CONNECT_TIMEOUT = 10_000

/** A port that gives a relay so much time to answer. */
const make = (authorities: ReadonlyArray<string> | undefined, timeoutMillis: number): RelayPortShape => ({
  connect: Effect.fnUntraced(function* (url: string, identity: RelayIdentity) {
    const late = new RelayError({ url, reason: "Unreachable", message: "it does not answer in time" })
    const opening = Effect.gen(function* () {
      const target = new URL(`${url.replace(/\/$/, "")}${RELAY_PATH}`)
      const socket = yield* connected(url, target, authorities)
      const headers = proofOf(socket, identity)
      target.protocol = target.protocol === "https:" ? "wss:" : "ws:"
      const session = yield* Effect.acquireRelease(
        Effect.sync(() => new RelaySession(url, target, identity, socket, headers)),
        (session) => session.close
      )
      yield* session.opened
      return session
    })
    return yield* Effect.timeoutOrElse(opening, {
      duration: timeoutMillis,
      orElse: () => Effect.fail(late)
    })
  }),
  discoveryVerifier: (url) => (isSecure(url) ? trustOf(authorities) : Effect.succeed(unauthenticated))
})

const isSecure = (url: string): boolean => url.startsWith("https:")

/** The relay itself is trusted by TLS of the Web, in the same way. */
const trustOf = (authorities: ReadonlyArray<string> | undefined): Effect.Effect<CertificateVerifierShape> =>
  authorities === undefined
    ? NodeCertificateVerifier.systemAuthorities
    : Effect.catch(NodeCertificateVerifier.authorities(authorities), ({ message }) =>
        Effect.succeed(rejecting(message))
      )

const rejecting = (reason: string): CertificateVerifierShape => ({
  certificateTypes: ["x509"],
  verify: () => new CertificateRejected({ alert: CertificateAlert.unknownCa, reason })
})

/** A relay without TLS proves nothing either: whoever is on the way there can be the relay. */
const unauthenticated: CertificateVerifierShape = {
  certificateTypes: ["x509", "rawPublicKey"],
  verify: () => Effect.void
}

/** A connection to the relay's host, encrypted if the URL says so. */
const connected = (url: string, target: URL, authorities: ReadonlyArray<string> | undefined) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const host = urlHost(target)
      const isSecure = target.protocol === "https:"
      const port = target.port === "" ? (isSecure ? 443 : 80) : Number(target.port)
      if (!isSecure) return Net.connect({ host, port, noDelay: true })
      const trust = authorities === undefined ? {} : { ca: [...authorities] }
      const name = Net.isIP(host) === 0 ? { servername: host } : {}
      return Tls.connect({ host, port, ALPNProtocols: ["http/1.1"], ...trust, ...name })
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.tap((socket) =>
      Effect.callback<void, RelayError>((resume) => {
        const onError = (error: Error): void => {
          resume(Effect.fail(new RelayError({ url, reason: "Unreachable", message: error.message })))
        }
        socket.on("error", onError)
        socket.once(socket instanceof Tls.TLSSocket ? "secureConnect" : "connect", () => resume(Effect.void))
      })
    )
  )

/** Saves a round trip: what this TLS connection alone exports, signed. */
const proofOf = (socket: Net.Socket, identity: RelayIdentity): Record<string, string> => {
  if (!(socket instanceof Tls.TLSSocket)) return {}
  const exported = socket.exportKeyingMaterial(
    EXPORTED_BYTES,
    EXPORTER_LABEL,
    Buffer.from(identity.publicKey)
  )
  return { [AUTH_HEADER]: authHeader(identity, exported) }
}

/**
 * Reaches relays with these options. Fails with `InvalidOption`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = ({
  authorities,
  connectTimeout = CONNECT_TIMEOUT
}: NodeRelayOptions): Layer.Layer<RelayPort, QuicError> =>
  Layer.effect(
    RelayPort,
    Effect.gen(function* () {
      const millis = yield* checkedMillis("connectTimeout", connectTimeout, 1, DAY_MILLIS)
      // text is iterable too, by letters
      const texts: unknown = typeof authorities === "string" ? [authorities] : authorities
      if (texts !== undefined && !isTexts(texts))
        return yield* invalidOption("authorities", "PEM text, or an array of such")
      return make(texts, millis)
    })
  )

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((each) => typeof each === "string")

/**
 * Reaches relays whose certificates Node trusts, and those of `http` URLs, for development.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<RelayPort> = Layer.succeed(RelayPort, make(undefined, CONNECT_TIMEOUT))
