/** How many times what came from an address may be sent to it, unless there is another reason to. RFC 9000 §8 */
export const AMPLIFICATION_FACTOR = 3

/**
 * How much may be sent to an address that has not proven to be the peer's: three times what came from it.
 * RFC 9000 §8, §8.1 #1, §9.3.1
 */
export class AntiAmplification {
  validated: boolean
  private received = 0
  private sent = 0

  /** A client need not validate the server's address; a valid token validates the client's. RFC 9000 §8.1 */
  constructor(validated = false) {
    this.validated = validated
  }

  /** Counts the whole datagram, whether its packets were processed or discarded. RFC 9000 §8.1 #2 */
  onReceived(size: number): void {
    this.received += size
  }

  onSent(size: number): void {
    this.sent += size
  }

  /** The peer has shown that it receives at this address. */
  validate(): void {
    this.validated = true
  }

  /** Bytes that may be sent now; `Infinity` once validated. */
  get remaining(): number {
    return this.validated
      ? Number.POSITIVE_INFINITY
      : Math.max(0, AMPLIFICATION_FACTOR * this.received - this.sent)
  }
}
