/** Events of the programs of the NAT matrix, as lines of JSON. */

export const say = (event: { readonly event: string; readonly [field: string]: unknown }): void => {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

/** Prints why and ends. */
export const giveUp = (error: unknown): void => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
