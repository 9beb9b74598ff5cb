// What a program written for Ollama's JavaScript client does: every call once, results as JSON on standard output.
import { Ollama } from 'ollama'

const [host] = process.argv.slice(2)
const ollama = new Ollama({ host })
const options = { temperature: 0, seed: 42, num_predict: 12 }
const prompt = 'Why is grass green?'
const messages = [{ role: 'user', content: prompt }]
const seen = {}

seen.generate = (await ollama.generate({ model: 'smollm2', prompt, options })).response
seen.generateStreamed = ''
for await (const part of await ollama.generate({ model: 'smollm2', prompt, options, stream: true })) {
  seen.generateStreamed += part.response
}
seen.chat = (await ollama.chat({ model: 'smollm2', messages, options })).message
seen.chatStreamed = ''
seen.last = null
for await (const part of await ollama.chat({ model: 'smollm2', messages, options, stream: true })) {
  seen.chatStreamed += part.message.content
  seen.last = part
}
seen.create = []
const creating = await ollama.create({ model: 'js-pirate', from: 'smollm2', system: 'You are a pirate.', stream: true })
for await (const part of creating) seen.create.push(part.status)
seen.list = (await ollama.list()).models.map((model) => model.name)
seen.show = (await ollama.show({ model: 'js-pirate' })).system
seen.ps = (await ollama.ps()).models.map((model) => model.name)
seen.copy = (await ollama.copy({ source: 'js-pirate', destination: 'js-copy' })).status
seen.deleted = [
  (await ollama.delete({ model: 'js-pirate' })).status,
  (await ollama.delete({ model: 'js-copy' })).status,
]
try {
  await ollama.chat({ model: 'nope', messages })
} catch (error) {
  seen.missing = [error.status_code, error.message]
}

// Aborting a stream must not disturb what comes after it.
const stream = await ollama.generate({ model: 'smollm2', prompt, stream: true })
for await (const part of stream) {
  seen.aborted = part.response
  break
}
stream.abort()
seen.afterAbort = (await ollama.generate({ model: 'smollm2', prompt, options })).response

console.log(JSON.stringify(seen))
