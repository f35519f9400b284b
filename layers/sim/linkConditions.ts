/** Link conditions, and their resolution to a link model. */
import { checkDelay, type DelayModel } from "./delayModel.ts"
import { checkLoss, type LossModel } from "./LossModel.ts"
import { checkQueue, type QueueModel } from "./PacketQueue.ts"
import { checkFields, checkOneOf, checkProbability, checkRange, SimConfigError } from "./simConfig.ts"

/**
 * What a link does to packets. Plain data that can be printed, stored as JSON and compared.
 *
 * @category models
 * @since 0.1.0
 */
export interface LinkModel {
  /** While false, drops new packets; those already in transit still arrive. */
  readonly up: boolean
  /** Packets stay in order regardless of delays, except those selected by `reorderRate`. */
  readonly delay: DelayModel
  /** Infinity for no limit; includes IP and UDP headers. At least 1. */
  readonly bitsPerSecond: number
  /** The queue for that rate. */
  readonly queue: QueueModel
  /** Random packet loss. */
  readonly loss: LossModel
  /** Maximum packet size in bytes, including headers; larger ones are fragmented if the sender allows. At least 68. */
  readonly mtu: number
  /**
   * How to handle larger packets that must not be fragmented: `drop` drops silently; `icmp` reports to the sender, whose
   * socket counts the error and rejects larger datagrams from then on (EMSGSIZE). RFC 1191, RFC 8201
   */
  readonly tooLarge: "drop" | "icmp"
  /** The probability that a packet arrives twice. */
  readonly duplicateRate: number
  /** The probability that one bit of a packet is flipped. */
  readonly corruptRate: number
  /** The probability that a packet is delayed by another `reorderMillis` while later ones overtake it. */
  readonly reorderRate: number
  /** Extra delay of a reordered packet, 0 to one day. */
  readonly reorderMillis: number
}

/**
 * Shorthand for common settings.
 *
 * @category models
 * @since 0.1.0
 */
export interface LinkShorthand {
  /** Fixed delay, or the fixed part of a jittered delay. */
  readonly delayMillis: number
  /** Maximum jitter, uniformly distributed; does not reorder packets. */
  readonly jitterMillis: number
  /** The independent probability that a packet is lost. */
  readonly lossRate: number
  /** Maximum queued bytes. */
  readonly queueBytes: number
  /** Uses tail drop that marks packets if more than this is queued. RFC 3168 §5 */
  readonly markAboveBytes: number
}

/**
 * All settings of a link; the full form takes precedence over the shorthand. Invalid values throw `SimConfigError`.
 *
 * @category models
 * @since 0.1.0
 */
export interface LinkConditions extends LinkModel, LinkShorthand {}

/**
 * The default link: no delay, loss or rate limit, an MTU of 1500 bytes and a queue of 256 KiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const perfectLink: LinkModel = {
  up: true,
  delay: { kind: "fixed", millis: 0 },
  bitsPerSecond: Infinity,
  queue: { kind: "tailDrop", maxBytes: 256 * 1024 },
  loss: { kind: "independent", rate: 0 },
  mtu: 1500,
  tooLarge: "drop",
  duplicateRate: 0,
  corruptRate: 0,
  reorderRate: 0,
  reorderMillis: 10
}

const shorthands = ["delayMillis", "jitterMillis", "lossRate", "queueBytes", "markAboveBytes"]
const fields = [...Object.keys(perfectLink), ...shorthands]

/** Applies `changes` to `model`. Throws `SimConfigError`, which names the field, for invalid values. */
export const changed = (model: LinkModel, changes: Partial<LinkConditions>, name = "link"): LinkModel => {
  checkFields(name, changes, fields)
  const { delayMillis, jitterMillis, lossRate, queueBytes, markAboveBytes, ...models } = changes
  let { delay, queue, loss } = model
  if (delayMillis !== undefined || jitterMillis !== undefined)
    delay = uniform(delay, delayMillis, jitterMillis)
  if (lossRate !== undefined) loss = { kind: "independent", rate: lossRate }
  if (queueBytes !== undefined) queue = { ...queue, maxBytes: queueBytes }
  if (markAboveBytes !== undefined) {
    queue = { ...(queue.kind === "tailDrop" ? queue : limitsOf(queue)), kind: "tailDrop", markAboveBytes }
  }
  const result = { ...model, delay, queue, loss, ...models }
  check(name, result)
  return result
}

const limitsOf = ({ maxBytes, maxPackets }: QueueModel): Pick<QueueModel, "maxBytes" | "maxPackets"> => ({
  ...(maxBytes === undefined ? undefined : { maxBytes }),
  ...(maxPackets === undefined ? undefined : { maxPackets })
})

const uniform = (
  before: DelayModel,
  millis = before.kind === "fixed" || before.kind === "uniform" ? before.millis : 0,
  jitterMillis = before.kind === "uniform" ? before.jitterMillis : 0
): DelayModel => (jitterMillis === 0 ? { kind: "fixed", millis } : { kind: "uniform", millis, jitterMillis })

const check = (name: string, model: LinkModel): void => {
  if (typeof model.up !== "boolean") throw new SimConfigError(`${name}.up`, "must be true or false")
  checkDelay(`${name}.delay`, model.delay)
  checkQueue(`${name}.queue`, model.queue)
  checkLoss(`${name}.loss`, model.loss)
  checkRange(`${name}.bitsPerSecond`, model.bitsPerSecond, 1, Infinity)
  checkRange(`${name}.mtu`, model.mtu, 68, Infinity)
  checkOneOf(`${name}.tooLarge`, model.tooLarge, ["drop", "icmp"])
  checkProbability(`${name}.duplicateRate`, model.duplicateRate)
  checkProbability(`${name}.corruptRate`, model.corruptRate)
  checkProbability(`${name}.reorderRate`, model.reorderRate)
  checkRange(`${name}.reorderMillis`, model.reorderMillis, 0, 86_400_000)
}
