import type { CryptoSuiteShape, HashAlgorithm, RunningHash } from "../capability/CryptoSuite.ts"
import { HandshakeType } from "./messages.ts"

/** The running hash over every handshake message. RFC 8446 §4.4.1 */
export class Transcript {
  private readonly suite: CryptoSuiteShape
  /** The messages before ServerHello, kept until the hash is selected; PSK binders cover them. */
  private hellos: Array<Uint8Array> = []
  private hash: RunningHash | undefined = undefined
  /** Of the messages so far, which several secrets may depend on. */
  private digested: Uint8Array | undefined = undefined

  constructor(suite: CryptoSuiteShape) {
    this.suite = suite
  }

  add(message: Uint8Array): void {
    if (this.hash === undefined) this.hellos.push(message)
    else this.hash.update(message)
    this.digested = undefined
  }

  /** The digest with `bytes` appended, such as a ClientHello truncated before its binders. RFC 8446 §4.2.11.2 */
  digestWith(algorithm: HashAlgorithm, bytes: Uint8Array): Uint8Array {
    const hash = this.suite.runningHash(algorithm)
    for (const message of this.hellos) hash.update(message)
    hash.update(bytes)
    return hash.digest()
  }

  /** HelloRetryRequest: replaces the first ClientHello by a message_hash message. RFC 8446 §4.4.1 */
  foldFirstHello(algorithm: HashAlgorithm): void {
    const hash = this.suite.runningHash(algorithm)
    for (const message of this.hellos) hash.update(message)
    const digest = hash.digest()
    this.hellos = [Uint8Array.of(HandshakeType.message_hash, 0, 0, digest.length), digest]
  }

  /** Starts hashing, once the cipher suite is selected. */
  begin(algorithm: HashAlgorithm): void {
    this.hash = this.suite.runningHash(algorithm)
    for (const message of this.hellos) this.hash.update(message)
    this.hellos = []
  }

  /** Not to be changed: it is the same until the next message. */
  digest(): Uint8Array {
    return (this.digested ??= this.hash!.digest())
  }
}
