// The microphone: frames of 20 ms PCM16 at 16 kHz, with their level.

export const CAPTURE_HZ = 16000;

/** Why there is no microphone. `reason`: denied, missing, busy, insecure. */
export class MicrophoneError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

const REASONS = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing", OverconstrainedError: "missing", NotReadableError: "busy", AbortError: "busy" };

/**
 * Ask for the microphone and start it.
 * @param {(frame: {pcm: ArrayBuffer, rms: number}) => void} onFrame
 * @returns {Promise<{close: () => void, setMuted: (muted: boolean) => void}>}
 * @throws {MicrophoneError}
 */
export async function openMicrophone(onFrame) {
  const stream = await askForStream();
  try {
    const context = await connect(stream, onFrame);
    return {
      close() {
        stream.getTracks().forEach((track) => track.stop());
        context.close();
      },
      setMuted(muted) {
        stream.getAudioTracks().forEach((track) => { track.enabled = !muted; });
      },
    };
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop());
    throw error;
  }
}

async function askForStream() {
  if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError("insecure");
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
  } catch (error) {
    throw new MicrophoneError(REASONS[error.name] ?? "busy");
  }
}

async function connect(stream, onFrame) {
  const { context, source } = sourceOf(stream);
  await context.audioWorklet.addModule(new URL("./capture_worklet.js", import.meta.url));
  const node = new AudioWorkletNode(context, "nexus-capture", { numberOfInputs: 1, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit", processorOptions: { rateHz: CAPTURE_HZ } });
  node.port.onmessage = ({ data }) => onFrame(data);
  source.connect(node);
  await context.resume();
  return context;
}

function sourceOf(stream) {
  const wanted = new AudioContext({ sampleRate: CAPTURE_HZ });
  try {
    return { context: wanted, source: wanted.createMediaStreamSource(stream) };
  } catch {
    // Firefox refuses a stream of another rate; the worklet resamples instead.
    wanted.close();
    const context = new AudioContext();
    return { context, source: context.createMediaStreamSource(stream) };
  }
}
