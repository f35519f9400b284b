/** What one can say about a link, and what it comes to. */
import { checkDelay, type DelayModel } from "./delayModel.ts"
import { checkLoss, type LossModel } from "./LossModel.ts"
import { checkQueue, type QueueModel } from "./PacketQueue.ts"
import { checkFields, checkOneOf, checkProbability, checkRange, SimConfigError } from "./simConfig.ts"

/** What a link does to packets. Plain data: it can be printed, kept as JSON and compared. */
export interface LinkModel {
  /** Takes no packet while false; those it took before still arrive. */
  readonly up: boolean
  /** Packets keep their order whatever the delays, except those that `reorderRate` picks. */
  readonly delay: DelayModel
  /** Infinity for no limit; counts IP and UDP headers. At least 1. */
  readonly bitsPerSecond: number
  /** What waits for its turn at that rate. */
  readonly queue: QueueModel
  readonly loss: LossModel
  /** The largest packet in bytes, headers included; a larger one is fragmented if its sender allows. At least 68. */
  readonly mtu: number
  /**
   * What becomes of a packet that is larger and must not be fragmented: `drop` says nothing, `icmp` tells the sender,
   * whose socket counts the error and refuses what is larger from then on (EMSGSIZE). RFC 1191, RFC 8201
   */
  readonly tooLarge: "drop" | "icmp"
  /** The probability that a packet arrives twice. */
  readonly duplicateRate: number
  /** The probability that one bit of a packet is flipped. */
  readonly corruptRate: number
  /** The probability that a packet is held for `reorderMillis` more while later ones pass. */
  readonly reorderRate: number
  readonly reorderMillis: number
}

/** Shorter ways to say the same. */
export interface LinkShorthand {
  /** A fixed delay, or the fixed part of it. */
  readonly delayMillis: number
  /** Up to this much is added to the delay, evenly, without changing the order. */
  readonly jitterMillis: number
  /** The probability that a packet is lost, whatever became of the others. */
  readonly lossRate: number
  /** The most that waits. */
  readonly queueBytes: number
  /** Tail drop that marks packets when more than this waits. RFC 3168 §5 */
  readonly markAboveBytes: number
}

/** All one can say about a link. Where a shorthand and what it stands for are both given, the shorthand comes first. */
export interface LinkConditions extends LinkModel, LinkShorthand {}

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

/** `model` with `changes` made. Throws `SimConfigError`, which names the field, for values that cannot be. */
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
