import type { CryptoSuiteShape, HashAlgorithm, RunningHash } from "../capability/CryptoSuite.ts"
import { HandshakeType } from "./messages.ts"

/** The running hash over every handshake message. Until the cipher suite names the hash, messages wait. RFC 8446 §4.4.1 */
export class Transcript {
  private readonly suite: CryptoSuiteShape
  private waiting: Array<Uint8Array> = []
  private hash: RunningHash | undefined = undefined
  private algorithm: HashAlgorithm | undefined = undefined

  constructor(suite: CryptoSuiteShape) {
    this.suite = suite
  }

  add(message: Uint8Array): void {
    if (this.hash === undefined) this.waiting.push(message)
    else this.hash.update(message)
  }

  /** The cipher suite is chosen. */
  begin(algorithm: HashAlgorithm): void {
    if (this.hash !== undefined) return
    this.algorithm = algorithm
    this.hash = this.suite.runningHash(algorithm)
    for (const message of this.waiting) this.hash.update(message)
    this.waiting = []
  }

  /** HelloRetryRequest: what came before is replaced by a message that holds its hash. RFC 8446 §4.4.1 */
  foldFirstHello(): void {
    const digest = this.digest()
    this.hash = this.suite.runningHash(this.algorithm!)
    this.hash.update(Uint8Array.of(HandshakeType.message_hash, 0, 0, digest.length))
    this.hash.update(digest)
  }

  digest(): Uint8Array {
    return this.hash!.digest()
  }
}
