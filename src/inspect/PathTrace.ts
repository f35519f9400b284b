import { numberOf } from "./fields.ts"
import type { JsonObject } from "./RecordReader.ts"
import { Histogram, Series } from "./Series.ts"

export interface Traffic {
  packets: number
  bytes: number
}

/** The measurements of qlog's recovery_metrics_updated that are drawn. */
const metrics = [
  "congestion_window",
  "bytes_in_flight",
  "smoothed_rtt",
  "latest_rtt",
  "min_rtt"
] as const satisfies ReadonlyArray<string>

export type Metric = (typeof metrics)[number]

/** What a log says of one path. */
export class PathTrace {
  readonly id: number
  remote: string | undefined = undefined
  state: string | undefined = undefined
  readonly sent: Traffic = { packets: 0, bytes: 0 }
  readonly received: Traffic = { packets: 0, bytes: 0 }
  lost = 0
  readonly losses = new Histogram()
  readonly series: { readonly [M in Metric]: Series } = {
    congestion_window: new Series(),
    bytes_in_flight: new Series(),
    smoothed_rtt: new Series(),
    latest_rtt: new Series(),
    min_rtt: new Series()
  }

  constructor(id: number) {
    this.id = id
  }

  measured(time: number, data: JsonObject): void {
    for (const name of metrics) {
      const value = numberOf(data[name])
      if (value !== undefined) this.series[name].add(time, value)
    }
  }

  lose(time: number): void {
    this.lost++
    this.losses.add(time, 1)
  }
}
