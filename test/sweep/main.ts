/** `npm run sweep`: every operation, interrupted at every step. */
import { streamSweeps } from "./streams.ts"
import { sweepOver } from "./sweep.ts"

for (const sweep of streamSweeps) console.log(await sweepOver(sweep, { seeds: 1 }))
