/**
 * Compares the ffi suite with the node suite on what handshakes ask of them, honest and hostile, and of all lengths: hashes,
 * HMAC, key agreement, signatures. Prints how often: `node test/ffi/randomHandshakes.ts ROUNDS SEED`.
 */
import { smallOrderPoints } from "../protect/smallOrderPoints.ts"
import * as FfiCryptoSuite from "../../layers/ffi/FfiCryptoSuite.ts"
import { suite as node } from "../../layers/node/NodeCryptoSuite.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { type HashAlgorithm, NamedGroup, SignatureScheme } from "../../src/capability/CryptoSuite.ts"

/** How many results were compared, by what they are of; and those that differ. */
export interface Comparison {
  readonly counts: { readonly [part: string]: number }
  readonly differences: ReadonlyArray<string>
}

const lengths = [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 200, 4_095, 4_096, 4_097, 8_192, 20_000]
const smallOrder = smallOrderPoints.map((point) => Buffer.from(point, "hex"))

export const compareHandshakes = (rounds: number, seed: string): Comparison => {
  const { suite: ffi } = FfiCryptoSuite.get()
  const random = new SeededRandom(`handshakes ${seed}`)
  const oneOf = <A>(all: ReadonlyArray<A>): A => all[random.below(all.length)]
  const bytes = (length = random.below(3) === 0 ? oneOf(lengths) : random.below(200)) => random.bytes(length)
  const counts: Record<string, number> = {}
  const differences: Array<string> = []

  const compare = <A>(part: string, ours: A, theirs: A): void => {
    const text = (result: A): string =>
      result instanceof Uint8Array ? Buffer.from(result).toString("hex") : String(result)
    const whole = `${part}${ours === undefined ? ", none" : ours === false ? ", refused" : ""}`
    counts[whole] = (counts[whole] ?? 0) + 1
    if (text(ours) !== text(theirs)) differences.push(`${part}: ${text(ours)} instead of ${text(theirs)}`)
  }

  /** What a peer could send instead. */
  const forged = (honest: Uint8Array): Uint8Array => {
    const copy = Uint8Array.from(honest)
    switch (random.below(5)) {
      case 0:
        return copy
      case 1:
        return bytes(honest.length)
      case 2:
        return bytes()
      case 3:
        return copy.subarray(0, random.below(copy.length + 1))
      default:
        copy[random.below(copy.length)] ^= 1 << random.below(8)
        return copy
    }
  }

  const hashes = (algorithm: HashAlgorithm): void => {
    const [key, data] = [bytes(), bytes()]
    compare("hash", ffi.hash(algorithm, data), node.hash(algorithm, data))
    compare("hmac", ffi.hmac(algorithm, key, data), node.hmac(algorithm, key, data))
    const [ours, theirs] = [ffi.runningHash(algorithm), node.runningHash(algorithm)]
    for (let i = random.below(5); i >= 0; i--) {
      const part = bytes()
      ours.update(part)
      theirs.update(part)
      compare("running hash", ours.digest(), theirs.digest())
    }
  }

  const agreement = (group: NamedGroup): void => {
    const [us, them] = [oneOf(["a", "b", "c"]), oneOf(["d", "e"])].map((name) => random.fork(name))
    const [ours, theirs] = [ffi, node].map((suite) => suite.keyShare(group, us.fork("share").bytes))
    compare("public key", ours.publicKey, theirs.publicKey)
    const hello = forged(ours.publicKey)
    const isSmall = random.below(4) === 0
    if (isSmall && hello.length >= 32) hello.set(oneOf(smallOrder), hello.length - 32)
    const [answer, expected] = [ffi, node].map((suite) =>
      suite.respond(group, hello, them.fork("answer").bytes)
    )
    compare("answer", answer?.publicKey, expected?.publicKey)
    compare("answer's secret", answer?.secret, expected?.secret)
    const reply = forged(expected?.publicKey ?? bytes(group === NamedGroup.x25519 ? 32 : 1_120))
    if (isSmall && reply.length >= 32) reply.set(oneOf(smallOrder), reply.length - 32)
    compare("agreed secret", ours.agree(reply), theirs.agree(reply))
    ours.release?.()
  }

  const signatures = (scheme: SignatureScheme): void => {
    const pkcs8 = node.generateSigningKey("p256", random.bytes)
    const data = bytes()
    const [ours, theirs] = [ffi, node].map((suite) => suite.signingKey(pkcs8)!)
    for (const key of [ours, theirs]) {
      const honest = key.sign(SignatureScheme.ecdsa_secp256r1_sha256, data)
      compare("signature", ffi.verify(scheme, key.spki, data, honest), true)
      compare("signature", node.verify(scheme, key.spki, data, honest), true)
      const [spki, signature] =
        random.below(2) === 0 ? [key.spki, forged(honest)] : [forged(key.spki), honest]
      const results = [ffi, node].map((suite) => suite.verify(scheme, spki, data, signature))
      compare("forged signature", results[0], results[1])
    }
    const broken = forged(pkcs8)
    compare("signing key", ffi.signingKey(broken)?.spki, node.signingKey(broken)?.spki)
  }

  for (let round = 0; round < rounds; round++) {
    hashes(oneOf(["sha256", "sha384", "sha512"] as const))
    agreement(oneOf([NamedGroup.x25519, NamedGroup.x25519MlKem768]))
    signatures(SignatureScheme.ecdsa_secp256r1_sha256)
  }
  return { counts, differences }
}

if (import.meta.main) {
  const [rounds, seed] = process.argv.slice(2)
  console.log(JSON.stringify(compareHandshakes(Number(rounds), seed)))
}
