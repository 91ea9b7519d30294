//! A study for several machines: its shards as an Indexed Job of Kubernetes and as an array of Slurm, and what puts them together.

use super::names::label_fault;
use super::{ExportedFile, yaml};
use crate::error::usage;
use anyhow::Result;
use serde_json::{Value, json};

/// Shards of a study, at most: Slurm's default bound of an array (MaxArraySize 1001).
pub const SHARDS_MAX: u16 = 1_000;
/// The study in an export.
const FILE: &str = "study.toml";
/// Its size in a ConfigMap, at most, bytes.
const FILE_BYTES_MAX: usize = 1 << 20;
/// The volume that all pods write to.
const CLAIM: &str = "results";

const COMMENT: &str = "A study in shards, written by `testoon export study`: docs/containers.md.";

/// How a study is divided.
#[derive(Clone, Debug)]
pub struct StudyOptions {
    /// The name of the Job, and of the array.
    pub name: String,
    /// The container image.
    pub image: String,
    /// Parts.
    pub shards: u16,
}

/// The files of a study in shards: `study` is the study file's text.
///
/// # Errors
/// An engine would not take the name, or the study is too large for a ConfigMap.
pub fn files(study: &str, options: &StudyOptions) -> Result<Vec<ExportedFile>> {
    // The Job "NAME-merge" must fit, too.
    if let Some(why) = label_fault(&options.name).or_else(|| label_fault(&format!("{}-merge", options.name))) {
        let name = &options.name;
        return Err(usage(format!(
            "--name {name:?} cannot name a Job of Kubernetes: {why}; use lower-case letters, digits and '-'"
        )));
    }
    if study.len() > FILE_BYTES_MAX {
        return Err(usage(format!("the study has {} bytes, and a ConfigMap holds {FILE_BYTES_MAX}", study.len())));
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": options.name },
        "data": { FILE: study },
    });
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": CLAIM },
        // Shards run on several machines and write side by side.
        "spec": { "accessModes": ["ReadWriteMany"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    let merge_job = job(options, "-merge", &merge_arguments(options.shards, "/results"), None);
    Ok(vec![
        ExportedFile::new(FILE, study),
        ExportedFile::new("kubernetes/10-study.yaml", yaml::to_yaml(COMMENT, &[config, claim, indexed_job(options)])?),
        ExportedFile::new("kubernetes/merge.yaml", yaml::to_yaml(COMMENT, &[merge_job])?),
        ExportedFile::new("slurm/array.sh", slurm_array(options)),
        ExportedFile::new("slurm/merge.sh", slurm_merge(options)),
    ])
}

/// The arguments that play one shard.
fn indexed_job(options: &StudyOptions) -> Value {
    let shard = format!("$(SHARD_INDEX)/{}", options.shards);
    let arguments = ["study", "/study/study.toml", "--shard-index", &shard, "--out", "/results/$(SHARD_INDEX)"];
    job(options, "", &arguments.map(str::to_owned), Some(options.shards))
}

fn merge_arguments(shards: u16, results: &str) -> Vec<String> {
    let mut arguments = ["study", "merge", "/study/study.toml"].map(str::to_owned).to_vec();
    arguments.extend((0..shards).map(|index| format!("{results}/{index}")));
    arguments.extend(["--out".to_owned(), format!("{results}/merged")]);
    arguments
}

/// A Job; with `completions` an Indexed one, whose pods know their number, from 0.
fn job(options: &StudyOptions, suffix: &str, arguments: &[String], completions: Option<u16>) -> Value {
    let index = "metadata.annotations['batch.kubernetes.io/job-completion-index']";
    let env = json!([{ "name": "SHARD_INDEX", "valueFrom": { "fieldRef": { "fieldPath": index } } }]);
    let container = json!({
        "name": "study",
        "image": options.image,
        "args": arguments,
        "env": if completions.is_some() { env } else { json!([]) },
        "resources": { "requests": { "cpu": "1", "memory": "128Mi" }, "limits": { "cpu": "2", "memory": "1Gi" } },
        "securityContext": super::kubernetes::container_security(),
        "volumeMounts": [
            { "name": "study", "mountPath": "/study", "readOnly": true },
            { "name": CLAIM, "mountPath": "/results" },
        ],
    });
    let mut spec = json!({
        // What a shard has played is kept, and the next try goes on with it.
        "backoffLimit": 6,
        "template": {
            "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "restartPolicy": "Never",
                "securityContext": super::kubernetes::pod_security(),
                "containers": [container],
                "volumes": [
                    { "name": "study", "configMap": { "name": options.name } },
                    { "name": CLAIM, "persistentVolumeClaim": { "claimName": CLAIM } },
                ],
            },
        },
    });
    if let Some(completions) = completions {
        spec["completionMode"] = json!("Indexed");
        spec["completions"] = json!(completions);
        spec["parallelism"] = json!(completions);
    }
    let metadata = json!({ "name": format!("{}{suffix}", options.name) });
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec })
}

/// Only checked names and numbers enter these scripts.
fn slurm_array(options: &StudyOptions) -> String {
    let StudyOptions { name, shards, .. } = options;
    format!(
        "#!/bin/sh
# A study in shards, written by `testoon export study`; docs/containers.md. In this directory's parent:
#   id=$(sbatch --parsable slurm/array.sh) && sbatch --dependency=afterok:$id slurm/merge.sh
#SBATCH --job-name={name}
#SBATCH --array=1-{shards}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --output=%x-%a.log
set -eu
exec \"${{TESTOON:-testoon}}\" study {FILE} --shard \"$SLURM_ARRAY_TASK_ID/{shards}\" \\
  --threads \"${{SLURM_CPUS_PER_TASK:-1}}\" --out \"results/$SLURM_ARRAY_TASK_ID\"
"
    )
}

fn slurm_merge(options: &StudyOptions) -> String {
    let StudyOptions { name, shards, .. } = options;
    format!(
        "#!/bin/sh
# Puts the shards of slurm/array.sh together when all of them are done.
#SBATCH --job-name={name}-merge
#SBATCH --ntasks=1
#SBATCH --output=%x.log
set -eu
exec \"${{TESTOON:-testoon}}\" study merge {FILE} $(seq -f 'results/%.0f' {shards}) --out results/merged
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::{python_reads, text_of};

    fn options(name: &str, shards: u16) -> StudyOptions {
        StudyOptions { name: name.to_owned(), image: "testoon:0".to_owned(), shards }
    }

    #[test]
    fn every_shard_is_played_once_and_merged() {
        let study = "name = \"a: 'b' $(C)\"\nshare = [0.1]\n";
        let files = files(study, &options("sweep", 3)).unwrap();
        assert_eq!(text_of(&files, FILE), study);
        let script = text_of(&files, "slurm/array.sh");
        assert!(script.contains("#SBATCH --array=1-3\n") && script.contains("\"$SLURM_ARRAY_TASK_ID/3\""), "{script}");
        let Some(objects) = python_reads(text_of(&files, "kubernetes/10-study.yaml")) else { return };
        assert_eq!(objects[0]["data"][FILE], study);
        let job = &objects[2]["spec"];
        assert_eq!((&job["completions"], &job["completionMode"]), (&json!(3), &json!("Indexed")));
        let merge = python_reads(text_of(&files, "kubernetes/merge.yaml")).unwrap();
        let arguments = &merge[0]["spec"]["template"]["spec"]["containers"][0]["args"];
        let expected = "study merge /study/study.toml /results/0 /results/1 /results/2 --out /results/merged";
        assert_eq!(arguments, &json!(expected.split(' ').collect::<Vec<_>>()));
        assert!(merge[0]["spec"].get("completions").is_none());
    }

    #[test]
    fn names_and_sizes_that_do_not_fit_are_refused() {
        for name in ["Sweep", "a_b", "", "-a", &"a".repeat(58)] {
            let error = files("", &options(name, 2)).unwrap_err().to_string();
            assert!(error.contains("cannot name a Job"), "{error}");
        }
        assert!(files("", &options(&"a".repeat(57), 2)).is_ok());
        let large = "#".repeat(FILE_BYTES_MAX + 1);
        assert!(files(&large, &options("a", 2)).unwrap_err().to_string().contains("1048577 bytes"));
    }
}
