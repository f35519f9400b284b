/** Why no connection to a server could be attempted, or every attempt failed. */
import * as Schema from "effect/Schema"

/**
 * A host name has no address.
 *
 * **Details**
 *
 * Fails `connect`. Resolving names needs an `AddressResolver`, which `effect-quic/layers/node` provides.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResolveFailed extends Schema.TaggedError<ResolveFailed>()("ResolveFailed", {
  /** The name or address that was asked for. */
  host: Schema.String,
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `cannot resolve ${this.host}: ${this.problem}`
  }
}

/**
 * Nothing can be sent to the address.
 *
 * **Details**
 *
 * Fails `connect` at once, without waiting for a timeout: the address is not a destination this socket can reach, or
 * the system refused to send to it.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  /** The address, as logs show it: `192.0.2.1:4433`. */
  address: Schema.String,
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `cannot reach ${this.address}: ${this.problem}`
  }
}

/**
 * No address of the server could be connected to.
 *
 * **Details**
 *
 * `attempts` names every address, in the order in which they were tried, and why each failed. A server with a single
 * address fails with the reason itself, unless `connectTimeout` was over first.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", {
  /** The name or address that was asked for. */
  host: Schema.String,
  /** Each address in the order in which they were tried, and why it failed. */
  attempts: Schema.Array(
    Schema.Struct({
      /** The address. */
      address: Schema.String,
      /** Why it failed, in words for people. */
      problem: Schema.String
    })
  )
}) {
  override get message(): string {
    const each = this.attempts.map(({ address, problem }) => `${address}: ${problem}`)
    return `cannot connect to ${this.host}: ${each.join("; ")}`
  }
}
