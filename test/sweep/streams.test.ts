import { streamSweeps } from "./streams.ts"
import { itSweeps } from "./itSweeps.ts"

itSweeps(streamSweeps, 2)
