//! Temporary.
use burn::tensor::Device;
fn main() {
    let d = Device::flex();
    let t = std::time::Instant::now();
    let g = kiln_core::read::read_safetensors("/work/shared/data/planetoid/cora.safetensors", &d).unwrap();
    println!("cora {} {} {} {} und {} loops {} iso {} {:?}", g.num_nodes(), g.num_edges(), g.num_features(), g.num_classes(), g.is_undirected(), g.has_self_loops(), g.has_isolated_nodes(), t.elapsed());
    for m in [g.train_mask(), g.val_mask(), g.test_mask()] { println!("{}", m.unwrap().int().sum().into_scalar::<i64>()); }
    println!("x sum {}", g.x().sum().into_scalar::<f32>());
    for n in ["MUTAG", "PROTEINS"] {
        let t = std::time::Instant::now();
        let s = kiln_core::read::read_tu(format!("/work/shared/data/tu/{n}"), &d).unwrap();
        let nodes: usize = s.graphs.iter().map(|g| g.num_nodes()).sum();
        let edges: usize = s.graphs.iter().map(|g| g.num_edges()).sum();
        println!("{} {} nodes {nodes} edges {edges} classes {} f {} ({}+{}) e {} ({}+{}) und {} {:?}", s.name, s.graphs.len(), s.num_classes, s.num_features(), s.num_node_attributes, s.num_node_labels, s.num_edge_features(), s.num_edge_attributes, s.num_edge_labels, s.graphs.iter().all(|g| g.is_undirected()), t.elapsed());
        let t = std::time::Instant::now();
        let b = kiln_core::Batch::from_graphs(&s.graphs).unwrap();
        println!("batch {} {} {} {} {:?}", b.num_graphs(), b.num_nodes(), b.num_edges(), b.y().unwrap().sum().into_scalar::<i64>(), t.elapsed());
    }
}
