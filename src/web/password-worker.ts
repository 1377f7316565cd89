import { parentPort } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'

// A thread of its own: 50 ms and more of arithmetic for each password would keep the sampler from its second.

export interface Question {
  password: string
  hash: string
}

parentPort?.on('message', ({ password, hash }: Question) => {
  parentPort?.postMessage(compareSync(password, hash))
})
