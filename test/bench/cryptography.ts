/**
 * What the cryptography of a handshake costs by the node suite and by the ffi suite, in turn: `node test/bench/cryptography.ts`.
 * Wall-clock microseconds, of which a low quantile is what the machine takes when nothing else runs.
 */
import * as FfiCryptoSuite from "../../layers/ffi/FfiCryptoSuite.ts"
import { nodeEntropy } from "../../layers/node/NodeEntropy.ts"
import { suite as node } from "../../layers/node/NodeCryptoSuite.ts"
import { type CryptoSuiteShape, NamedGroup, SignatureScheme } from "../../src/capability/CryptoSuite.ts"
import { cipherSuites } from "../../src/protect/CipherSuite.ts"
import { hkdfExpandLabel } from "../../src/protect/hkdf.ts"
import { initialKeys } from "../../src/protect/initialKeys.ts"
import { PacketKeys } from "../../src/protect/PacketKeys.ts"
import { Version } from "../../src/wire/PacketType.ts"
import { identity, shake } from "../handshake/TlsPair.ts"

/** Until V8 has compiled what is called. */
const WARM_UP_MILLIS = 2_000
const TURNS = 500
const RUNS = 10

const random = nodeEntropy.randomBytes
const hybrid = NamedGroup.x25519MlKem768
const p256 = SignatureScheme.ecdsa_secp256r1_sha256
const secret = random(32)
const pkcs8 = node.generateSigningKey("p256", random)
const nothing = new Uint8Array(0)

/** TLS of both sides in memory, with all packet keys. */
const handshake = (suite: CryptoSuiteShape) => {
  const server = identity("p256", "x509", suite)
  const id = random(8)
  return () => {
    const pair = shake({ client: { suite, random }, server: { suite, random, selectIdentity: () => server } })
    const keys: Array<{ release(): void }> = []
    for (const end of [pair.client, pair.server]) {
      const { client, server } = initialKeys(suite, Version.v1, id)
      keys.push(client, server)
      for (const { cipherSuite, secret } of end.all("keys"))
        keys.push(PacketKeys.fromSecret(suite, cipherSuites.get(cipherSuite)!, secret, Version.v1))
    }
    for (const each of keys) each.release()
  }
}

const works: { readonly [name: string]: (suite: CryptoSuiteShape) => () => unknown } = {
  "HKDF-Expand-Label": (suite) => () => hkdfExpandLabel(suite, "sha256", secret, "quic key", nothing, 16),
  "400 bytes of transcript and a digest": (suite) => {
    const running = suite.runningHash("sha256")
    const message = random(400)
    return () => {
      running.update(message)
      running.digest()
    }
  },
  "X25519MLKEM768: the client's share": (suite) => () => suite.keyShare(hybrid, random).release?.(),
  "X25519MLKEM768: the server's answer": (suite) => {
    const { publicKey } = suite.keyShare(hybrid, random)
    return () => suite.respond(hybrid, publicKey, random)
  },
  "X25519MLKEM768: what the client makes of it": (suite) => {
    const share = suite.keyShare(hybrid, random)
    const { publicKey } = suite.respond(hybrid, share.publicKey, random)!
    return () => share.agree(publicKey)
  },
  "P-256: a signature": (suite) => {
    const key = suite.signingKey(pkcs8)!
    return () => key.sign(p256, secret)
  },
  "P-256: verifying one": (suite) => {
    const key = suite.signingKey(pkcs8)!
    const signature = key.sign(p256, secret)
    return () => suite.verify(p256, key.spki, secret, signature)
  },
  "TLS and keys of both sides": handshake
}

const suites = [node, FfiCryptoSuite.get().suite]
for (const [name, work] of Object.entries(works)) {
  const measured = suites.map((suite) => ({ run: work(suite), micros: new Float64Array(TURNS) }))
  const until = performance.now() + WARM_UP_MILLIS
  while (performance.now() < until) for (const { run } of measured) run()
  for (let turn = 0; turn < TURNS; turn++)
    for (const { run, micros } of measured) {
      const startedAt = performance.now()
      for (let i = 0; i < RUNS; i++) run()
      micros[turn] = ((performance.now() - startedAt) * 1_000) / RUNS
    }
  const [ofNode, ofFfi] = measured.map(({ micros }) => micros.sort()[TURNS / 20].toFixed(1))
  console.log(`${name}: ${ofNode} µs by layers/node, ${ofFfi} by layers/ffi`)
}
