/** Our side: the one place here that knows the public API. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layerWithoutTrust, NodeCertificateVerifier } from "../../layers/node/index.ts"
import type { CertificateVerifier } from "../../src/capability/CertificateVerifier.ts"
import { QuicEndpoint } from "../../src/QuicEndpoint.ts"
import { QuicError } from "../../src/QuicError.ts"
import * as Trust from "../../src/Trust.ts"
import { http3 } from "./application/http3.ts"
import { transfer } from "./application/transfer.ts"
import { serverName } from "./material.ts"
import { type ClientTask, type Implementation, InteropFailure, type Received, type Task } from "./Peer.ts"

const exchanges = { transfer, http3 }

const trustIn = ({ trusted }: Task): Layer.Layer<CertificateVerifier> =>
  trusted.kind === "x509"
    ? Layer.orDie(NodeCertificateVerifier.layerAuthorities([trusted.authority]))
    : Trust.layerRawKeys([trusted.identity.spki])

const stackFor = (task: Task) => Layer.merge(Layer.orDie(layerWithoutTrust), trustIn(task))

const explain = (error: unknown): InteropFailure =>
  error instanceof InteropFailure
    ? error
    : error instanceof QuicError
      ? new InteropFailure({ reason: `${error.reason._tag}: ${error.message}` })
      : new InteropFailure({ reason: String(error) })

/** iroh's name for a node: its public key in base32 with the digits of RFC 4648 §7, lower case, no padding. */
const irohName = (publicHex: string): string => {
  const bits = BigInt(`0x${publicHex}`) << 4n // 256 bits are 51 digits and one bit; the last digit is padded with zeros
  return `${bits.toString(32).padStart(52, "0")}.iroh.invalid`
}

const client = Effect.fnUntraced(
  function* (task: ClientTask) {
    const { alpn, doneCode, asClient } = exchanges[task.application]
    const endpoint = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const connection = yield* endpoint.connect({
      host: "127.0.0.1",
      port: task.port,
      alpn: [alpn],
      serverName: task.trusted.kind === "x509" ? serverName : irohName(task.trusted.publicHex),
      ...(task.mutual && { identity: task.self.identity })
    })
    const received = yield* asClient(connection, task)
    yield* connection.close(doneCode)
    return received
  },
  Effect.mapError(explain),
  (effect, task) => Effect.provide(effect, stackFor(task))
)

const server = Effect.fnUntraced(
  function* (task: Task) {
    const { alpn, asServer } = exchanges[task.application]
    const endpoint = yield* QuicEndpoint.make({
      host: "127.0.0.1",
      server: {
        alpn: [alpn],
        identity: task.self.identity,
        clientCertificate: task.mutual ? "require" : "none"
      }
    })
    const first = yield* Deferred.make<Received, InteropFailure>()
    const serveOne = Effect.gen(function* () {
      const connection = yield* endpoint.accept
      yield* Deferred.succeed(first, yield* asServer(connection, task))
      yield* connection.closed
    })
    yield* serveOne.pipe(
      Effect.scoped,
      Effect.catch((error) => Deferred.fail(first, explain(error))),
      Effect.forkScoped
    )
    return { port: endpoint.localAddress.port, received: Deferred.await(first) }
  },
  Effect.mapError(explain),
  (effect, task) => Effect.provide(effect, stackFor(task))
)

export const ours: Implementation = { name: "effect-quic", client, server }
