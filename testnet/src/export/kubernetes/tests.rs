use super::*;
use crate::export::tests::{ODD, exported, python_reads, text_of};
use std::collections::BTreeSet;

/// Every object of an export, read by Python; none where it is not there.
fn objects(files: &[ExportedFile]) -> Option<Vec<Value>> {
    let mut objects = Vec::new();
    for file in files {
        objects.extend(python_reads(&file.text)?);
    }
    Some(objects)
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let fits = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(fits).unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn nodes_of_a_role_are_the_pods_of_one_stateful_set() {
    let text = "[[node]]\nname = \"m\"\ncount = 3\nshare = 0.6\n[[node]]\nname = \"big\"\nshare = 0.4\nthreads = 2\n[[node]]\nname = \"r\"\n";
    let network = exported(text);
    let groups = workload::groups(&network.plan);
    let shape: Vec<(&str, usize)> = groups.iter().map(|group| (group.name.as_str(), group.nodes.len())).collect();
    assert_eq!(shape, [("miner", 3), ("miner-set2", 1), ("relay", 1)]);
    assert_eq!(groups[0].pod(2), "miner-2");
}

#[test]
fn another_parser_finds_every_object_and_what_it_names() {
    let network = exported(ODD);
    let files = files(&network).unwrap();
    let Some(objects) = objects(&files) else { return };
    let kinds: BTreeSet<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    let expected = "ConfigMap Job Namespace NetworkPolicy PodDisruptionBudget Secret Service StatefulSet";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected.split(' ').collect::<Vec<_>>());
    assert!(objects.iter().all(|object| object["kind"] == "Namespace" || object["metadata"]["namespace"] == "testoon"));

    let data = find(&objects, "ConfigMap", "config")["data"].as_object().unwrap();
    let spec = chain_spec::ChainSpec::from_toml(data["chain.toml"].as_str().unwrap()).unwrap();
    assert_eq!((spec.id(), spec.genesis_hash()), (network.spec.id(), network.spec.genesis_hash()));
    for group in workload::groups(&network.plan) {
        let set = find(&objects, "StatefulSet", &group.name);
        assert_eq!(set["spec"]["replicas"], group.nodes.len());
        let pod = &set["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let container = &pod["containers"][0];
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/ready");
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/health");
        let arguments = container["args"].as_array().unwrap();
        assert!(arguments.contains(&json!("/config/$(POD_NAME).toml")), "{arguments:?}");
        for (index, node) in group.nodes.iter().enumerate() {
            let configuration: toml::Table =
                data[&format!("{}.toml", group.pod(index))].as_str().unwrap().parse().unwrap();
            assert_eq!(configuration["rpc-host"].as_array().unwrap()[0].as_str(), Some(node.name.as_str()));
            let service = find(&objects, "Service", &node.name);
            let (selector, labels) = (&service["spec"]["selector"], &set["spec"]["template"]["metadata"]["labels"]);
            assert_eq!(selector["statefulset.kubernetes.io/pod-name"], group.pod(index));
            let name = "app.kubernetes.io/part-of";
            assert_eq!(selector[name], labels[name]);
        }
        find(&objects, "PodDisruptionBudget", &group.name);
    }
    let shop = &find(&objects, "StatefulSet", "shop")["spec"]["template"]["spec"]["containers"][0]["args"];
    assert!(shop.as_array().unwrap().contains(&json!("a:b$HOME$$(HOME)")), "{shop}");
}

#[test]
fn a_scenario_s_commands_run_one_after_the_other() {
    let mut network = exported(ODD);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let steps = |job: &Value| -> Vec<String> {
        let pod = &job["spec"]["template"]["spec"];
        let containers = [&pod["initContainers"], &pod["containers"]].map(|list| list.as_array().unwrap().clone());
        containers.concat().iter().map(|container| container["args"][0].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(steps(&job::scenario(&network)), ["attach", "pay"]);
    assert_eq!(steps(&job::links(&network)), ["attach"]);
    network.options.scenario = vec![words("net partition on,n|e3"), words("mine on 3"), words("net heal")];
    let job = job::scenario(&network);
    assert_eq!(steps(&job), ["attach", "net", "mine", "net"]);
    assert_eq!(job["spec"]["backoffLimit"], 0);
}

#[test]
fn only_secrets_hold_the_password_and_the_words() {
    let network = exported(ODD);
    let files = files(&network).unwrap();
    for file in &files {
        assert_eq!(file.is_secret, file.text.contains(&network.password), "{}", file.path);
        assert_eq!(file.is_secret, file.text.contains(&network.accounts["on"].0), "{}", file.path);
    }
    assert!(text_of(&files, "manifests/50-links.yaml").contains("kind: Job"));
    let perfect = exported("[[node]]\nname = \"a\"\n");
    assert!(!super::files(&perfect).unwrap().iter().any(|file| file.path.contains("links")));
    assert!(super::files(&exported("[[node]]\nname = \"1a\"\n")).unwrap_err().to_string().contains("\"1a\""));
}

#[test]
fn what_a_config_map_cannot_hold_is_refused() {
    let mut network = exported("[[node]]\nname = \"a\"\n");
    network.spec.name = "x".repeat(CONFIG_MAP_BYTES_MAX);
    let error = files(&network).unwrap_err().to_string();
    assert!(error.contains("a ConfigMap holds 1048576"), "{}", &error[error.len() - 200..]);
}
