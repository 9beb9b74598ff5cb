// What the examples of Ollama's JavaScript client do, with what each saw as JSON on standard output.
// `able` says what the newest `answer:` of its prompt is; `smollm2` and `eyes` are real models.
import { readFile } from 'node:fs/promises'
import { Ollama } from 'ollama'

const [scripted, real, photo] = process.argv.slice(2)
const able = new Ollama({ host: scripted })
const ollama = new Ollama({ host: real })
const options = { temperature: 0, seed: 42, num_predict: 4 }
const seen = {}

const answer = (text) => `answer:${Buffer.from(text).toString('base64')}`
const say = (name, args) => `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`
const ask = (content) => [{ role: 'user', content }]
const refusal = async (promise) => {
  try {
    for await (const part of await promise) void part
  } catch (error) {
    return [error.status_code, error.message]
  }
}

// Tools, streaming, with thinking: what is called is answered until nothing is called any more.
const functions = {
  getTemperature: ({ city }) => `${city.length} degrees`,
  getConditions: ({ city, days }) => `${days} days of rain in ${city}`,
}
const tools = Object.keys(functions).map((name) => ({
  type: 'function',
  function: {
    name,
    description: `${name} of a city`,
    parameters: { type: 'object', required: ['city'], properties: { city: { type: 'string' }, days: { type: 'integer' } } },
  },
}))
const calls = say('getTemperature', { city: 'Reykjavík' }) + say('getConditions', { city: '東京 🗼', days: 2 })
const messages = ask(`Weather? ${answer(`<think>Two cities.</think>Let me see.${calls}`)}`)
seen.rounds = []
for (let more = true; more && seen.rounds.length < 3; ) {
  const round = { thinking: '', content: '', calls: [], results: [] }
  more = false
  for await (const { message } of await able.chat({ model: 'able', messages, tools, stream: true, think: true })) {
    round.thinking += message.thinking ?? ''
    round.content += message.content
    if (!message.tool_calls) continue
    more = true
    messages.push(message)
    for (const { function: { name, arguments: args } } of message.tool_calls) {
      round.calls.push([name, args])
      round.results.push(functions[name](args))
      messages.push({ role: 'tool', tool_name: name, content: `${round.results.at(-1)} ${answer('It rains.')}` })
    }
  }
  seen.rounds.push(round)
}
const once = await able.chat({ model: 'able', messages: ask(answer(say('getTemperature', { city: 'Rome' }))), tools })
seen.once = once.message
seen.toolless = await refusal(ollama.chat({ model: 'smollm2', messages: ask('Hi'), tools, stream: true }))

// Thinking: levels, generate, streaming, off.
const thoughtful = answer('<think>10 and 20…</think>\n33')
seen.levels = []
for (const think of ['low', 'medium', 'high', true, false]) {
  const { message } = await able.chat({ model: 'able', messages: ask(think ? thoughtful : answer('33')), think })
  seen.levels.push([message.thinking ?? null, message.content])
}
const generated = await able.generate({ model: 'able', prompt: thoughtful, think: true })
seen.generated = [generated.thinking, generated.response]
seen.order = []
for await (const part of await able.chat({ model: 'able', messages: ask(thoughtful), think: true, stream: true })) {
  const kind = part.message.thinking ? 'thinking' : part.message.content ? 'content' : part.done && 'done'
  if (seen.order.at(-1) !== kind) seen.order.push(kind)
}
seen.thoughtless = await refusal(ollama.generate({ model: 'smollm2', prompt: 'Hi', think: 'high', stream: true }))

// Structured output, from a schema written by hand.
const format = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', maximum: 99 }, free: { type: 'boolean' } },
  required: ['name', 'age', 'free'],
}
const question = 'My friend Ollama is 22 years old and free. Describe her in JSON.'
const whole = { ...options, num_predict: 100 }
seen.friend = JSON.parse((await ollama.chat({ model: 'smollm2', messages: ask(question), format, options: whole })).message.content)
seen.json = JSON.parse((await ollama.generate({ model: 'smollm2', prompt: question, format, options: whole })).response)

// Embeddings, one, several, and the older way.
const many = await ollama.embed({ model: 'smollm2', input: ['The sky is blue', 'Grass is green'] })
seen.embeddings = many.embeddings.map((vector) => [vector.length, Math.hypot(...vector)])
const one = await ollama.embed({ model: 'smollm2', input: 'The sky is blue', dimensions: 32, truncate: true })
seen.short = one.embeddings.map((vector) => vector.length)
const older = (await ollama.embeddings({ model: 'smollm2', prompt: 'The sky is blue' })).embedding
seen.farthest = Math.max(...older.map((value, at) => Math.abs(value - many.embeddings[0][at])))

// Pictures: a path, bytes and base64 are the same.
const data = await readFile(photo)
seen.pictures = []
for (const image of [photo, new Uint8Array(data), data.toString('base64')]) {
  const chat = await ollama.chat({ model: 'eyes', messages: [{ ...ask('What?')[0], images: [image] }], options })
  let last
  for await (last of await ollama.generate({ model: 'eyes', prompt: 'What?', images: [image], options, stream: true }));
  seen.pictures.push(chat.prompt_eval_count, last.prompt_eval_count)
}
seen.blind = (await ollama.generate({ model: 'eyes', prompt: 'What?', options })).prompt_eval_count
seen.damaged = await refusal(ollama.generate({ model: 'eyes', prompt: 'What?', images: [data.subarray(0, 40)], stream: true }))

// A gap is filled.
const filled = await able.generate({ model: 'able', prompt: `def f(): # ${answer('pass')}`, suffix: '\nf()' })
seen.filled = filled.response

console.log(JSON.stringify(seen))
