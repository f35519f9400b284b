/** Why a connection has no further path. */
import * as Schema from "effect/Schema"

/**
 * Another path could not be opened, or is over. The connection goes on with the paths it has.
 *
 * **Details**
 *
 * draft-ietf-quic-multipath §3. `outcome`:
 *
 * - `NotNegotiated`: one side has a `maxPaths` of 1
 * - `NotClient`: only clients open paths
 * - `Limit`: as many paths are in use as the server allows
 * - `NoConnectionId`: the server has provided no connection ID for it, for ten seconds
 * - `TimedOut`: the server did not answer over it
 * - `Unreachable`: the system does not send from there to the server
 * - `Abandoned`: either side has given it up
 * - `LastPath`: it is the only one, which is left by closing the connection
 *
 * @category reasons
 * @since 0.1.0
 */
export class PathFailed extends Schema.TaggedError<PathFailed>()("PathFailed", {
  /** What has happened; see above. */
  outcome: Schema.Literals([
    "NotNegotiated",
    "NotClient",
    "Limit",
    "NoConnectionId",
    "TimedOut",
    "Unreachable",
    "Abandoned",
    "LastPath"
  ]),
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `no such path: ${this.problem}`
  }
}
