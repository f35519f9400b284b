/** An address that is not validated may be sent this many times the bytes received from it. RFC 9000 §8 */
export const AMPLIFICATION_FACTOR = 3

/**
 * The anti-amplification limit of an address that is not validated: three times the bytes received from it.
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

  /** Counts the whole datagram, even if its packets were discarded. RFC 9000 §8.1 #2 */
  onReceived(size: number): void {
    this.received += size
  }

  onSent(size: number): void {
    this.sent += size
  }

  /** The address is validated. */
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
