/** One development certificate for all systems, made by the parent and passed to workers in the environment. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import * as Identity from "../../src/Identity.ts"
import { LiveCryptoSuite } from "../io.ts"

export interface Certificate {
  readonly identity: Identity.Identity
  readonly certPem: string
  readonly keyPem: string
}

const pem = (identity: Identity.Identity): Omit<Certificate, "identity"> => ({
  certPem: Identity.publicPem(identity),
  keyPem: Redacted.value(Identity.privateKeyPem(identity))
})

let made: Promise<Certificate> | undefined

export const certificate = (): Promise<Certificate> =>
  (made ??= (async () => {
    const { BENCH_CERT: cert, BENCH_KEY: key } = process.env
    const identity =
      cert !== undefined && key !== undefined
        ? await Effect.runPromise(Effect.provide(Identity.fromPem({ cert, key }), LiveCryptoSuite.layer))
        : await Effect.runPromise(NodeIdentity.developmentCertificate())
    return { identity, ...pem(identity) }
  })())
