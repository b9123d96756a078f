// SPDX-License-Identifier: GPL-3.0-or-later
// DiffGesture's batch as a job type of Flamenco 3: put this file into the folder `scripts` of the Manager. Each task
// does one part of the list of jobs; a task that is done again leaves out what is done. See docs/BATCH.md.

const JOB_TYPE = {
    label: "DiffGesture Batch",
    description: "Speech to gestures for a folder of recordings or a list of jobs.",
    settings: [
        { key: "blendfile", type: "string", subtype: "file_path", required: true,
          description: "The .blend with the characters." },
        { key: "jobs", type: "string", subtype: "file_path", required: true,
          description: "A folder of recordings, or a list of jobs (.csv or .json)." },
        { key: "output", type: "string", subtype: "dir_path", required: true,
          description: "Where each job's files go." },
        { key: "count", type: "int32", required: true,
          description: "How many jobs there are, recordings times characters." },
        { key: "chunk_size", type: "int32", default: 20, description: "How many jobs one task does." },
        { key: "formats", type: "string", default: "blend,npz",
          description: "What is written for each job, of blend, npz, bvh, fbx, glb, mp4." },
        { key: "options", type: "string", default: "",
          description: "More options of batch as one line, such as --armature Ann --seed 3." },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const size = Math.max(1, settings.chunk_size);
    const more = (settings.options || "").split(" ").filter((word) => word.length > 0);
    for (let first = 1; first <= settings.count; first += size) {
        const range = `${first}-${Math.min(first + size - 1, settings.count)}`;
        const task = author.Task(`gestures-${range}`, "blender");
        task.addCommand(author.Command("exec", {
            exe: "{blender}",
            args: [
                "-b", settings.blendfile,
                "--command", "diffgesture", "batch", settings.jobs,
                "--output", settings.output,
                "--formats", settings.formats,
                "--range", range,
            ].concat(more),
        }));
        job.addTask(task);
    }
}
